import { expect, it } from "vitest";
import { isLoopbackHost } from "../../supervisor/host/loopback.ts";

it.each([
  "localhost",
  "LOCALHOST:1234",
  "lmx.localhost:1234",
  "127.0.0.1",
  "127.9.8.7:80",
  "::1",
  "[::1]",
  "[::1]:1234",
])("takes %s as loopback", (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

it.each([
  "0.0.0.0",
  "::",
  "example.com",
  "127.0.0.1.example.com",
  "localhost.example.com",
  "notlocalhost",
  "localhost@example.com",
  "example.com@localhost",
  "localhost/path",
  "[::2]:80",
  "192.168.1.2",
  "",
  "a b",
])("does not take %j as loopback", (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});
