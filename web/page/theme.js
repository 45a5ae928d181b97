// Light or dark: as the system says, until the reader says otherwise.

const choices = ["auto", "light", "dark"];
const signs = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" };

// startTheme runs the switch, and calls changed when other colours are to be drawn.
export function startTheme(button, changed) {
  let theme = remembered();
  const show = () => {
    document.documentElement.dataset.theme = theme;
    button.textContent = signs[theme];
    button.setAttribute("aria-label", `Colours: ${theme}. Change them.`);
    changed();
  };
  button.addEventListener("click", () => {
    theme = choices[(choices.indexOf(theme) + 1) % choices.length];
    remember(theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}

// A browser that forbids storage throws: then the choice lasts as long as the page.
function remembered() {
  try {
    const theme = localStorage.getItem("parti-theme");
    return choices.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

function remember(theme) {
  try {
    localStorage.setItem("parti-theme", theme);
  } catch { /* the choice is still shown */ }
}
