import { expect, test } from "vitest";
import { bytes, count, duration, milliseconds, money, percent } from "../src/lib/format";
import { csv } from "../src/lib/export";

test("numbers have about three figures", () => {
  expect([0, 0.123, 7, 99.44, 128.6, 9999, 12_345, 3_100_000, 4.2e9].map((value) => count(value)))
    .toEqual(["0", "0.12", "7", "99.4", "129", "9,999", "12.3k", "3.10M", "4.20G"]);
});
test("what is not known is a dash and never a zero", () => {
  for (const show of [count, percent, milliseconds, bytes, duration]) {
    expect(show(null)).toBe("–");
    expect(show(Number.NaN)).toBe("–");
  }
  expect(money(null, "EUR")).toBe("–");
  expect(money(3, null)).toBe("–");
});
test("ratios, times and sizes", () => {
  expect([0, 0.0004, 0.0123, 0.941, 1].map((value) => percent(value))).toEqual(["0%", "0.04%", "1.2%", "94.1%", "100%"]);
  expect([0, 0.004, 0.042, 0.42, 1.234, 12.34, 640, 1240, 72_000].map((value) => milliseconds(value))).toEqual(["0 ms", "4.0 µs", "42 µs", "420 µs", "1.23 ms", "12.3 ms", "640 ms", "1.24 s", "1 min 12 s"]);
  expect([512, 2048, 1.5 * 1024 ** 3].map((value) => bytes(value))).toEqual(["512 B", "2.0 KiB", "1.5 GiB"]);
  expect([8, 75, 12_000, 90_000, 5_000_000, -30].map((value) => duration(value))).toEqual(["8 s", "1 min 15 s", "3 h 20 min", "1 d 1 h", "57 d", "−30 s"]);
});
test("exported rows are read by spreadsheets, and do nothing there", () => {
  expect(csv(["a", "b"], [[1, null], ["x,\"y\"", "=1+1"], [Number.NaN, -4]])).toBe("a,b\r\n1,\r\n\"x,\"\"y\"\"\",'=1+1\r\n,-4\r\n");
});
