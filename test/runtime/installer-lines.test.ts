import { expect, it } from "vitest";
import { readInstallerLine } from "../../supervisor/runtime/installer-lines.ts";

it.each([
  ["Collecting mlx-lm==0.32.2", { kind: "package", name: "mlx-lm" }],
  ["Downloading mlx-cpu (10.0MiB)", { kind: "package", name: "mlx-cpu (10.0MiB)" }],
  ["Installing collected packages: mlx, mlx-lm", { kind: "step", step: "unpacking the packages" }],
  ["Prepared 38 packages in 609ms", { kind: "step", step: "unpacking 38 packages" }],
  // pip names the file of a package that it has just named.
  ["  Downloading mlx_lm-0.32.2-py3-none-any.whl (420 kB)", null],
  [" Downloaded mlx-cpu", null],
  ["Ignoring colorama: markers don't match your environment", null],
  ["", null],
])("reads %j as %o", (line, news) => {
  expect(readInstallerLine(line)).toEqual(news);
});
