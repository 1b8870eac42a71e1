// Vite before the development fake, or before a real Peregrine (PEREGRINE_URL).
import { createServer } from "vite";

if (!process.env.PEREGRINE_URL) {
  const { server } = await import("./fake.mjs");
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.PEREGRINE_URL = `http://127.0.0.1:${server.address().port}`;
  console.log(`development fake behind it: log in with the token ${process.env.FAKE_TOKEN ?? "development"}`);
}
const vite = await createServer({ root: new URL("..", import.meta.url).pathname });
await vite.listen();
vite.printUrls();
