import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist", "node_modules"] },
  js.configs.recommended,
  ...ts.configs.strict,
  {
    files: ["**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-console": "error",
      "no-restricted-syntax": ["error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "the API's texts are shown as text" }],
      "max-lines": ["error", { max: 400, skipComments: true }],
    },
  },
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly", crypto: "readonly", Buffer: "readonly",
      setTimeout: "readonly", setInterval: "readonly", clearInterval: "readonly", clearTimeout: "readonly", fetch: "readonly", document: "readonly",
      window: "readonly", URLSearchParams: "readonly", performance: "readonly", PerformanceObserver: "readonly", AbortSignal: "readonly",
      getComputedStyle: "readonly", HTMLElement: "readonly", localStorage: "readonly" } },
  },
);
