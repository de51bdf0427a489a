import { render } from "preact";
import { App } from "./app.tsx";
import { takeKeyFromAddress } from "./key.ts";

takeKeyFromAddress();
const root = document.getElementById("app");
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
}
