(() => {
  const root = document.currentScript.closest(".explorer");
  const image = root.querySelector("img");
  const controls = [...root.querySelectorAll("input, select")];
  const button = root.querySelector("button");
  const said = root.querySelector(".explorer-said");
  const [others, words] = JSON.parse(root.querySelector("script").textContent);
  const pictures = [...others];
  pictures.splice(Number(root.dataset.first ?? 0), 0, image.src); // what is seen first is in the page
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let playing = null;
  let speaking = null;

  const place = (control) => (control.options ? control.selectedIndex : Number(control.value));
  const count = (control) => (control.options ? control.length : Number(control.max) + 1);

  function show() {
    const frame = controls.reduce((sum, control) => sum * count(control) + place(control), 0);
    image.src = pictures[frame];
    image.alt = words[frame];
    for (const control of controls.filter((control) => control.dataset.values)) {
      const value = JSON.parse(control.dataset.values)[place(control)];
      control.setAttribute("aria-valuetext", value);
      control.parentElement.nextElementSibling.textContent = value;
    }
    // A slider says its value itself. What the picture shows is said once the hand has come to rest.
    clearTimeout(speaking);
    if (playing === null) speaking = setTimeout(() => (said.textContent = words[frame]), 800);
  }

  function stop() {
    clearInterval(playing);
    playing = null;
    if (button) button.textContent = "Play";
  }

  function play(slider) {
    if (place(slider) === count(slider) - 1) slider.value = 0;
    else slider.value = place(slider) + 1;
    button.textContent = "Pause";
    playing = setInterval(() => {
      slider.value = place(slider) + 1;
      if (place(slider) === count(slider) - 1) stop();
      show();
    }, Number(button.dataset.interval));
    show();
  }

  for (const control of controls) {
    control.addEventListener("input", () => {
      stop();
      show();
    });
  }
  if (button) {
    const slider = controls.filter((control) => !control.options).pop();
    button.addEventListener("click", () => {
      if (playing === null) return play(slider);
      stop();
      show();
    });
    still.addEventListener("change", stop);
  }
  root.querySelector(".explorer-settings").hidden = false;
})();
