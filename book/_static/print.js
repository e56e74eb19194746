// On paper an answer cannot be unfolded, and ink on white is all there is: print the answers open and
// the page in its light colors.
{
  const page = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.sd-dropdown").forEach((answer) => (answer.open = true));
    theme = page.dataset.theme;
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => (page.dataset.theme = theme));
}
