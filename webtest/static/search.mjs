// A search for control parameters: its progress every two seconds; when it is over the page shows what follows, or the form that asked is sent again.
const search = document.getElementById("search"), form = document.querySelector("form[data-again]");
const EVERY_MS = 2_000;
let touched = false;
form?.addEventListener("input", () => { touched = true; });

async function look() {
  try {
    const reply = await fetch(search.dataset.source, { headers: { "X-CACT": "1" }, redirect: "manual", signal: AbortSignal.timeout(10_000) });
    if (reply.type === "opaqueredirect") { location.reload(); return; }
    if (reply.ok) {
      search.innerHTML = await reply.text();
      search.dataset.state = reply.headers.get("X-State");
    }
  } catch { /* the next look finds the server again */ }
  if (search.dataset.state === "running") setTimeout(look, EVERY_MS);
  else if (!form) location.reload();
  else if (!touched && search.dataset.state !== "interrupted") form.requestSubmit();
}

if (search?.dataset.state === "running") setTimeout(look, EVERY_MS);
