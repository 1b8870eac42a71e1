import { expect, test } from "vitest";
import { SseParser } from "../src/index.js";

const stream = "\ufeffid: 1\nevent: hello\ndata: {\"seq\":1}\n\n: a comment\n\ndata: two\ndata: lines\r\nid: 2\r\n\r\nevent: nothing\n\nretry: 1500\rdata:x\r\r\n";

test("events come out whole, wherever the text is cut", () => {
  const whole = new SseParser();
  const expected = [
    { id: "1", event: "hello", data: "{\"seq\":1}" }, { id: "2", event: "message", data: "two\nlines" }, { id: "2", event: "message", data: "x" },
  ];
  expect(whole.push(stream)).toEqual(expected);
  expect(whole.retryMs).toBe(1500);
  for (let cut = 1; cut < stream.length; cut += 1) {
    const parser = new SseParser();
    expect([...parser.push(stream.slice(0, cut)), ...parser.push(stream.slice(cut))]).toEqual(expected);
  }
});

test("what is not finished does not come out", () => {
  expect(new SseParser().push("id: 1\ndata: half\n")).toEqual([]);
});
