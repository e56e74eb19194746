// The browser lays out a section when it comes near the screen (book.css). Who comes back, or asks for the page
// again, finds each section as high as it was, and so the place where the reading stopped.
{
  const sections = () => [...document.querySelectorAll(".bd-article section:not(:has(section))")];
  const key = () => `heights of ${location.pathname} at ${innerWidth}`;
  addEventListener("pagehide", () => {
    const heights = sections().map((section) => section.offsetHeight);
    sessionStorage.setItem(key(), JSON.stringify(heights));
  });
  addEventListener("DOMContentLoaded", () => {
    const heights = JSON.parse(sessionStorage.getItem(key())) ?? [];
    sections().forEach((section, i) => {
      if (heights[i]) section.style.containIntrinsicHeight = `auto ${heights[i]}px`;
    });
  });
}
