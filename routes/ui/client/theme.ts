import { effect, signal } from "@preact/signals";

const THEME = "nada.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** "light" or "dark": what the system has, until the person chooses. */
export const theme = signal(
  localStorage.getItem(THEME) ?? (dark.matches ? "dark" : "light"),
);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

dark.addEventListener("change", ({ matches }) => {
  if (localStorage.getItem(THEME) === null) theme.value = matches ? "dark" : "light";
});

export function switchTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, theme.value);
}
