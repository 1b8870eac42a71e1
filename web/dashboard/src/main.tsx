import { QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import "./styles.css";
import "./lib/theme";
import { App } from "./app";
import { queries } from "./lib/api";
import { takeLoginCode } from "./lib/url";

const code = takeLoginCode(window.location, window.history);
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={queries}>
      <Router base="/dashboard/performance"><App code={code} /></Router>
    </QueryClientProvider>,
  );
}
