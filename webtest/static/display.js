// Text size, contrast and hidden clock, chosen by the reader and kept in this browser. Runs before the page is painted.
"use strict";
(() => {
  const root = document.documentElement;
  const names = ["theme", "size", "clock"];
  const apply = () => names.forEach((name) => {
    const value = localStorage.getItem("cact-" + name);
    if (value) root.dataset[name] = value; else delete root.dataset[name];
  });
  apply();
  document.addEventListener("change", (event) => {
    const name = event.target.dataset && event.target.dataset.setting;
    if (!name) return;
    if (event.target.value) localStorage.setItem("cact-" + name, event.target.value); else localStorage.removeItem("cact-" + name);
    apply();
  });
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-setting]").forEach((field) => {
    field.value = localStorage.getItem("cact-" + field.dataset.setting) || "";
  }));
})();
