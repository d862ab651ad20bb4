import { expect, it } from "vitest";
import { accountsInPasswd, accountsWithHomes, humanAccounts } from "../../supervisor/host/human-accounts.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
anna:x:1000:1000:Anna,,,:/home/anna:/bin/bash
ben:x:1001:1001::/home/ben:/usr/bin/zsh
plain:x:1002:1002::/home/plain:
sftp:x:1003:1003::/srv:/usr/sbin/nologin
off:x:1004:1004::/home/off:/bin/false
container:x:100000:100000::/home/c:/bin/sh
+::::::
broken line
`;

it("Linux: people have an id of 1000 or more and a shell; one left empty is the usual shell", () => {
  expect(accountsInPasswd(PASSWD)).toEqual(["anna", "ben", "plain"]);
  expect(accountsInPasswd("")).toEqual([]);
});

it("macOS: every home but those that belong to nobody", () => {
  expect(accountsWithHomes(["anna", "ben", "Shared", "Guest", ".localized", "Deleted Users"])).toEqual([
    "anna",
    "ben",
  ]);
});

it("nobody is known where it cannot be told", async () => {
  expect(await humanAccounts("win32")).toEqual([]);
});
