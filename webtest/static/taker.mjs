// The test page's script: sends the answer, keeps it over a lost connection, counts down by the server's clock, announces politely.
// Everything here is a comfort: each form also works as a plain form.
const csrf = document.querySelector("meta[name=csrf]").content;
const screen = document.getElementById("screen");
const lost = document.getElementById("lost");
const refusal = document.getElementById("refusal");
const words = document.getElementById("words").dataset;
const HEARTBEAT_MS = 10_000, IDLE_HEARTBEAT_MS = 4_000, FIRST_RETRY_MS = 1_000, LONGEST_RETRY_MS = 8_000, SAID_MS = 20_000;
let shownAt = performance.now(), endsAt = 0, announced = new Set(), busy = false, timedOut = false;

const facts = () => document.getElementById("facts").dataset;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Polite: shown and read out, never in the way of an answer.
function announce(text) {
  const place = document.getElementById("announce");
  place.textContent = text;
  setTimeout(() => { if (place.textContent === text) place.textContent = ""; }, SAID_MS);
}

function settle(focus) {
  const f = facts();
  shownAt = performance.now();
  endsAt = shownAt + Number(f.leftMs);
  timedOut = false;
  document.getElementById("section-title").textContent = f.section;
  document.getElementById("item-number").textContent = f.number ? `${words.item} ${f.number}` : "";
  document.getElementById("progress").value = Number(f.progress);
  refusal.hidden = true;
  if (f.running !== "1") announce("");  // of a section that is over, or of a clock that stands
  const form = screen.querySelector("form.answer");
  if (form) {
    const button = form.querySelector("button");
    const ready = () => { button.disabled = !form.querySelector("input[name=choice]:checked"); };
    form.addEventListener("change", ready);
    ready();
  }
  if (focus) {
    const heading = screen.querySelector("h1");
    if (heading) heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  tick();
}

// Repeats until the server has answered: the same key makes a repeat harmless.
async function send(url, body) {
  let wait = FIRST_RETRY_MS;
  for (;;) {
    try {
      const reply = await fetch(url, {
        method: body ? "POST" : "GET", body, headers: { "X-CACT": "1", "X-CSRFToken": csrf }, redirect: "manual", signal: AbortSignal.timeout(20_000),
      });
      if (reply.status < 500 && reply.type !== "opaqueredirect") { lost.hidden = true; return reply; }
      if (reply.type === "opaqueredirect") { location.reload(); await sleep(60_000); }
    } catch { /* no connection: wait and try again */ }
    lost.hidden = false;
    await sleep(wait);
    wait = Math.min(2 * wait, LONGEST_RETRY_MS);
  }
}

async function show(reply) {
  if (reply.ok) {
    screen.innerHTML = await reply.text();
    settle(true);
    return;
  }
  const said = await reply.json().catch(() => ({ message: "" }));
  if (said.error === "moved" || said.error === "csrf") { location.reload(); return; }
  await show(await send("/tes"));
  refusal.textContent = said.message;
  refusal.hidden = !said.message;
}

async function submit(form) {
  if (busy) return;
  busy = true;
  const body = new FormData(form);
  if (form.dataset.answer !== undefined) body.set("client_ms", Math.round(performance.now() - shownAt));
  const button = form.querySelector("button");
  if (button) { button.disabled = true; }
  form.querySelectorAll("input[type=radio]").forEach((input) => { if (!input.checked) input.disabled = true; });
  try {
    const reply = await send(form.action, body);
    if (button) button.textContent = words.saved;
    await show(reply);
  } finally { busy = false; }
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("#screen form[data-step], #screen form[data-answer]")) {
    event.preventDefault();
    submit(event.target);
  }
});

document.addEventListener("keydown", (event) => {
  const form = screen.querySelector("form.answer");
  if (!form || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select, summary, input[type=text]")) return;
  const place = "12345".includes(event.key) ? Number(event.key) - 1 : "abcde".indexOf(event.key.toLowerCase());
  const option = event.key.length === 1 && place >= 0 ? form.querySelectorAll("input[name=choice]")[place] : null;
  if (option) {
    option.checked = true;
    option.focus();
    form.dispatchEvent(new Event("change"));
  } else if (event.key === "Enter" && !event.target.matches("button, a") && form.querySelector("input[name=choice]:checked")) {
    event.preventDefault();
    form.requestSubmit();
  }
});

function tick() {
  const clock = document.getElementById("clock");
  if (facts().running !== "1") { clock.textContent = ""; return; }
  const left = Math.max(0, endsAt - performance.now());
  const seconds = Math.ceil(left / 1000), minutes = Math.floor(seconds / 60);
  const shown = `${words.left} ${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  if (document.documentElement.dataset.clock === "hidden") clock.textContent = "";
  else if (clock.textContent !== shown) clock.textContent = shown;
  for (const mark of [10, 5, 1]) {
    if (left > 0 && left <= mark * 60_000 && left > (mark - .5) * 60_000 && !announced.has(facts().section + mark)) {
      announced.add(facts().section + mark);
      announce(words.minutes.replace("{n}", mark));
    }
  }
  if (left === 0 && !timedOut && !busy) {
    timedOut = true;
    const form = screen.querySelector("form[data-answer]");
    // The choice on the screen is sent and counts within the grace; without one the page asks again when the grace is over.
    if (form && form.querySelector("input[name=choice]:checked")) submit(form);
    else setTimeout(async () => { if (!busy) await show(await send("/tes")); }, 5_500);
  }
}
setInterval(tick, 250);

(async () => {
  for (;;) {
    await sleep(facts().running === "1" ? HEARTBEAT_MS : IDLE_HEARTBEAT_MS);
    if (busy) continue;
    const reply = await send("/tes/denyut", new FormData());
    if (!reply.ok) { if (reply.status === 409 || reply.status === 400) location.reload(); continue; }
    const state = await reply.json();
    if (busy) continue;
    if (state.screen !== facts().screen) await show(await send("/tes"));
    else {
      const gained = performance.now() + state.left_ms - endsAt;
      if (Math.abs(gained) > 1_500) endsAt += gained;
      if (facts().running === "1" && gained > 50_000) announce(words.longer.replace("{n}", Math.round(gained / 60_000)));
    }
  }
})();
settle(false);
