// What a Node service with fetch meets. Prints one JSON object; the scenario judges it.
// usage: node fetch_client.mjs http://plain

const [plain] = process.argv.slice(2);
const seen = {};

const first = await fetch(`${plain}/page`);
const text = await first.text();
const second = await fetch(`${plain}/page`);
seen.hit = second.headers.get("cache-status").includes("; hit");
seen.same = (await second.text()) === text;

const many = await Promise.all(Array.from({ length: 50 }, () => fetch(`${plain}/page`).then((answer) => answer.text())));
seen.many = many.every((body) => body === text);

const changed = await fetch(`${plain}/page`, { headers: { "if-none-match": second.headers.get("etag") } });
seen.notModified = changed.status;

const stream = new ReadableStream({
  start(controller) {
    for (const word of ["one ", "two ", "three"]) controller.enqueue(new TextEncoder().encode(word));
    controller.close();
  },
});
const posted = await fetch(`${plain}/echo`, { method: "POST", body: stream, duplex: "half" });
seen.posted = await posted.text();

// Decoded by fetch itself, whatever coding was negotiated.
seen.large = (await (await fetch(`${plain}/large`)).arrayBuffer()).byteLength;

// A client that goes away in the middle does no harm to the next.
const leaving = new AbortController();
const left = await fetch(`${plain}/slow`, { signal: leaving.signal });
await left.body.getReader().read();
leaving.abort();
seen.afterLeaving = (await fetch(`${plain}/page`)).status;

console.log(JSON.stringify(seen));
