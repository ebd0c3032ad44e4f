import { online, tokenWanted } from "./api.ts";
import { TokenDialog } from "./parts/token_dialog.tsx";
import { place } from "./place.ts";
import { switchTheme, theme } from "./theme.ts";
import { hush, toast } from "./toast.ts";
import { useRecall } from "./use_recall.ts";
import { Create } from "./views/create.tsx";
import { Explore } from "./views/explore.tsx";
import { Gallery } from "./views/gallery.tsx";
import { Watch } from "./views/watch.tsx";

export function Page() {
  useRecall();
  const { view, id } = place.value;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      <header class="bar">
        <a class="mark" href="#/">nada</a>
        <nav aria-label="Views">
          <Tab to="create" label="Create" />
          <Tab to="gallery" label="Gallery" />
        </nav>
        <a class="quiet" href="/docs">API</a>
        <button
          type="button"
          class="quiet"
          onClick={switchTheme}
          aria-label={`Switch to ${theme.value === "dark" ? "light" : "dark"} colours`}
        >
          {theme.value === "dark" ? "☀" : "☾"}
        </button>
      </header>
      <div role="status">
        {!online.value && (
          <p class="notice">
            The server does not answer. This page goes on by itself when it is back.
          </p>
        )}
      </div>
      <main id="main" tabIndex={-1} data-view={view}>
        {view === "watch"
          ? <Watch key={id} id={id} />
          : view === "gallery"
          ? <Gallery />
          : view === "explore"
          ? <Explore key={id} id={id} />
          : <Create />}
      </main>
      <div class="toasts" role="status">{toast.value && <Toast />}</div>
      {tokenWanted.value && <TokenDialog />}
    </>
  );
}

function Tab({ to, label }: { to: string; label: string }) {
  const isHere = place.value.view === to;
  return <a href={`#/${to}`} aria-current={isHere ? "page" : undefined}>{label}</a>;
}

/** The address behind "#" says where the page is, so the link cannot use it. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")!.focus();
}

function Toast() {
  const { text, undo } = toast.value!;
  return (
    <p class="toast">
      {text}
      {undo && (
        <button
          type="button"
          onClick={() => {
            undo();
            hush();
          }}
        >
          Undo
        </button>
      )}
    </p>
  );
}
