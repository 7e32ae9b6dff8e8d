// A work of the server: its progress every second; when it is over the page shows what follows, or the form that asked is sent again.
const work = document.getElementById("work"), form = document.querySelector("form[data-again]");
const EVERY_MS = 1_000;
let touched = false;
form?.addEventListener("input", () => { touched = true; });

async function look() {
  try {
    const reply = await fetch(work.dataset.source, { headers: { "X-CACT": "1" }, redirect: "manual", signal: AbortSignal.timeout(10_000) });
    if (reply.type === "opaqueredirect") { location.reload(); return; }
    if (reply.ok) {
      work.innerHTML = await reply.text();
      work.dataset.state = reply.headers.get("X-State");
      work.dataset.goesOn = reply.headers.get("X-Goes-On");
    }
  } catch { /* the next look finds the server again */ }
  if (work.dataset.goesOn === "1") setTimeout(look, EVERY_MS);
  else if (!form) location.reload();
  else if (!touched && work.dataset.state !== "interrupted") form.requestSubmit();
}

if (work?.dataset.goesOn === "1") setTimeout(look, EVERY_MS);
