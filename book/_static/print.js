// On paper nothing can be unfolded, and ink on white is all there is: print every fold open but those of
// sources (book.css) and of solutions, which are printed where their reader has opened them, and the page
// in its light colors. Afterwards all is as it was.
{
  const page = document.documentElement;
  let theme, closed;
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("main details:not([open], .hide, .solution)")];
    closed.forEach((fold) => (fold.open = true));
    theme = page.dataset.theme;
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    closed.forEach((fold) => (fold.open = false));
    page.dataset.theme = theme;
  });
}
