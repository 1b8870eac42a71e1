import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import tailwind from "@tailwindcss/vite";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: "/dashboard/performance/",
  plugins: [react(), tailwind()],
  resolve: { alias: { "@peregrine/sdk": here("../sdk/src/index.ts"), "@": here("./src") } },
  build: {
    target: "es2022",
    manifest: false,
    // Every script and style is a file of its own: the page's policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { "/api": process.env.PEREGRINE_URL ?? "http://127.0.0.1:9180" } },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
} as Parameters<typeof defineConfig>[0]);
