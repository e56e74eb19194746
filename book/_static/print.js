// On paper an answer cannot be unfolded: print them open.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.sd-dropdown").forEach((answer) => (answer.open = true));
});
