// Refreshes the room's board every 2.5 s without losing ticks or moving rows while a pointer or the keyboard is in the table.
const board = document.getElementById("board");
let etag = "";
async function refresh() {
  if (document.hidden || board.matches(":hover") || board.contains(document.activeElement)) return;
  try {
    const reply = await fetch(board.dataset.source, { headers: { "X-CACT": "1", ...(etag && { "If-None-Match": etag }) }, redirect: "manual" });
    if (reply.type === "opaqueredirect") { location.reload(); return; }
    if (reply.status !== 200) return;
    etag = reply.headers.get("ETag") || "";
    const ticked = new Set([...board.querySelectorAll("input:checked")].map((box) => box.value));
    board.innerHTML = await reply.text();
    board.querySelectorAll("input[name=attempt]").forEach((box) => { box.checked = ticked.has(box.value); });
  } catch { /* the age in the caption tells that the board stands still */ }
}
if (board.dataset.live === "1") setInterval(refresh, 2_500);
