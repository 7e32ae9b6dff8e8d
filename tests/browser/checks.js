// A page's faults of accessibility that a program can find: names, headings, language, ids, contrast, size of targets, focus. Gives a list of words.
(minTarget) => {
  const faults = [], seen = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !node.closest(".visually-hidden");
  const name = (node) => (node.getAttribute("aria-label") || [...(node.labels || [])].map((label) => label.textContent).join(" ") || node.textContent || node.title || "").trim();
  const short = (node) => `<${node.tagName.toLowerCase()} class="${node.getAttribute("class") || ""}"> "${(node.innerText || node.name || "").slice(0, 40)}"`;

  if (!/^(id|en)$/.test(document.documentElement.lang)) faults.push("no language");
  if (!document.title.trim()) faults.push("no title");
  if (document.querySelectorAll("h1").length !== 1) faults.push(`${document.querySelectorAll("h1").length} h1`);
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
  let level = 0;
  document.querySelectorAll("h1,h2,h3,h4").forEach((head) => {
    const own = Number(head.tagName[1]);
    if (own > level + 1) faults.push(`heading skips a level: ${short(head)}`);
    level = own;
  });
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  ids.filter((id, k) => ids.indexOf(id) !== k).forEach((id) => faults.push(`id twice: ${id}`));
  document.querySelectorAll("input:not([type=hidden]),select,textarea,button,a[href],summary,progress,[role=img],[role=region]").forEach((node) => {
    if (!name(node) && !(node.querySelector && node.querySelector("title"))) faults.push(`no name: ${short(node)}`);
  });
  document.querySelectorAll("img:not([alt])").forEach((node) => faults.push(`no alternative text: ${node.src}`));
  document.querySelectorAll("table").forEach((table) => { if (!table.querySelector("th")) faults.push("a table without headings"); });
  document.querySelectorAll("[style]").forEach((node) => faults.push(`inline style: ${short(node)}`));

  document.querySelectorAll("button,label.option,input:not([type=hidden]):not([type=radio]):not([type=checkbox]),select,.filters a").forEach((node) => {
    if (!seen(node)) return;
    const box = node.getBoundingClientRect(), least = node.matches("label.option") ? 44 : minTarget;
    if (box.height < least || box.width < 24) faults.push(`target ${Math.round(box.width)}x${Math.round(box.height)}: ${short(node)}`);
  });

  const rgba = (text) => { const v = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number); return [v[0], v[1], v[2], v.length > 3 ? v[3] : 1]; };
  const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node || node.closest("svg,select,option,script,noscript,:disabled") || !seen(node)) continue;
    const style = getComputedStyle(node), under = ground(node), a = light(over(rgba(style.color), under)), b = light(under);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${short(node)}`);
  }
  return [...new Set(faults)];
}
