import { useEffect, useRef, useState } from "preact/hooks";
import { giveToken, token } from "../api.ts";

export function TokenDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [value, setValue] = useState("");
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="token-title"
      onCancel={(event) => event.preventDefault()}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          giveToken(value.trim());
        }}
      >
        <h2 id="token-title">This server asks for a token</h2>
        <p>
          {token.value === null
            ? "Its operator makes one with: nada token add NAME. It is kept until this tab is closed."
            : "The server does not know the token given. Try another."}
        </p>
        <label>
          Token
          <input
            type="password"
            autocomplete="off"
            required
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="main">Go on</button>
      </form>
    </dialog>
  );
}
