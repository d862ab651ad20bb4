import { expect, it } from "vitest";
import { installerEnvironment } from "../../supervisor/runtime/installer-environment.ts";

it("keeps how the user reaches packages", () => {
  const users = {
    PATH: "/usr/bin",
    HTTPS_PROXY: "http://proxy:3128",
    no_proxy: "localhost",
    PIP_CERT: "/etc/ca.pem",
    PIP_CONFIG_FILE: "/etc/pip.conf",
    UV_CACHE_DIR: "/var/cache/uv",
    SSL_CERT_FILE: "/etc/ca.pem",
  };
  expect(installerEnvironment(users)).toMatchObject(users);
});

it("drops what would install elsewhere or ask questions", () => {
  const environment = installerEnvironment({
    PYTHONPATH: "/x",
    PYTHONHOME: "/x",
    PYTHONDONTWRITEBYTECODE: "1",
    VIRTUAL_ENV: "/x",
    PIP_TARGET: "/x",
    PIP_USER: "1",
    UV_PYTHON: "3.8",
  });
  expect(Object.keys(environment).toSorted()).toEqual([
    "NO_COLOR",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_NO_INPUT",
    "PIP_USER",
    "PYTHONNOUSERSITE",
  ]);
  expect(environment.PIP_USER).toBe("0");
});
