// The board: fresh figures every 2.5 s without moving a row under the cursor, the age of what is shown, and a person's details beside the table.
const board = document.getElementById("board"), panel = document.getElementById("panel");
const EVERY_MS = 2_500, STALE_MS = 12_000;
let etag = "", heardAt = performance.now(), shownAt = performance.now();

async function fragment(url, headers = {}) {
  const reply = await fetch(url, { headers: { "X-CACT": "1", ...headers }, redirect: "manual", signal: AbortSignal.timeout(10_000) });
  if (reply.type === "opaqueredirect") location.reload();
  return reply;
}

// Somebody is in the table: its rows stay where they are, only their cells change.
function updateInPlace(fresh) {
  const rows = new Map([...fresh.querySelectorAll("tr[data-row]")].map((row) => [row.dataset.row, row]));
  board.querySelectorAll("tr[data-row]").forEach((row) => {
    const now = rows.get(row.dataset.row);
    if (!now || now.cells.length !== row.cells.length) return;
    row.className = now.className;
    [...row.cells].forEach((cell, k) => {
      if (!cell.querySelector("input") && !cell.contains(document.activeElement) && cell.innerHTML !== now.cells[k].innerHTML) cell.innerHTML = now.cells[k].innerHTML;
    });
  });
  board.querySelector(".summary").replaceWith(fresh.querySelector(".summary"));
}

function replaceAll(fresh) {
  const ticked = new Set([...board.querySelectorAll("input:checked")].map((box) => box.value));
  board.replaceChildren(...fresh.childNodes);
  board.querySelectorAll("input[name=attempt]").forEach((box) => { box.checked = ticked.has(box.value); });
}

async function refresh() {
  if (document.hidden) return;
  try {
    const reply = await fragment(board.dataset.source, etag ? { "If-None-Match": etag } : {});
    if (reply.status === 200) {
      etag = reply.headers.get("ETag") || "";
      const fresh = document.createElement("template");
      fresh.innerHTML = await reply.text();
      if (board.matches(":hover") || board.contains(document.activeElement)) updateInPlace(fresh.content); else replaceAll(fresh.content);
      shownAt = performance.now();
    }
    if (reply.status < 500) heardAt = performance.now();
  } catch { /* the age beside the figures says that they stand still */ }
}

function tellAge() {
  const place = document.getElementById("age"), lost = performance.now() - heardAt > STALE_MS;
  place.textContent = (lost ? board.dataset.lost : board.dataset.old).replace("{n}", Math.round((performance.now() - shownAt) / 1000));
  place.classList.toggle("stale", lost);
}

board.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-person]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const reply = await fragment(link.href);
    if (!reply.ok) { location.href = link.href; return; }
    panel.innerHTML = await reply.text();
    const close = document.createElement("button");
    close.type = "button";
    close.className = "plain";
    close.textContent = panel.dataset.close;
    close.addEventListener("click", () => { panel.hidden = true; panel.parentElement.classList.remove("split"); link.focus(); });
    panel.append(close);
    panel.hidden = false;
    panel.parentElement.classList.add("split");
    panel.focus({ preventScroll: true });
    if (panel.getBoundingClientRect().top < 0) panel.scrollIntoView();  // on a narrow screen it stands above the table
  } catch { location.href = link.href; }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !panel.hidden) panel.querySelector("button.plain:last-child").click(); });

if (board.dataset.live === "1") {
  setInterval(refresh, EVERY_MS);
  setInterval(tellAge, 1_000);
}
