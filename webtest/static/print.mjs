// Buttons that print the page; without scripts there are none, and the browser's own menu prints it.
document.querySelectorAll("button[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => print());
});
