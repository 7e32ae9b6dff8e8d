"""The one script of a report: a click on a column's head sorts its table. POLICY_HASH lets a content security policy allow this text and no other."""

import base64
import hashlib

SCRIPT = """
const language = document.documentElement.lang;
const key = (cell) => {
  const text = cell.textContent.trim();
  const plain = language === "en" ? text.replaceAll(",", "") : text.replaceAll(".", "").replace(",", ".");
  const value = Number(plain.replace("\\u2212", "-"));
  return text === "" || text === "\\u2013" ? [2, 0, ""] : Number.isNaN(value) ? [1, 0, text] : [0, value, ""];
};
const order = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2], language, { numeric: true });
for (const table of document.querySelectorAll("table")) {
  table.querySelectorAll("thead th").forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [key(row.cells[at]), row]);
      rows.sort((one, other) => {
        const blank = (one[0][0] === 2) - (other[0][0] === 2);
        return blank || (down ? order(other[0], one[0]) : order(one[0], other[0]));
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
"""
POLICY_HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
