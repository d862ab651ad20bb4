import { describe, expect, it } from "vitest";
import { templateFault } from "../../../supervisor/models/snapshot/template-syntax.ts";

describe("the outer form of a chat template", () => {
  it.each([
    "",
    "plain { text } with {single braces}",
    "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    "{%- if a -%}x{%- elif b -%}y{%- else -%}z{%- endif -%}",
    "{% set x = 1 %}{% set a, b = 1, 2 %}{% set ns.x = namespace(a={'b': 1}) %}",
    "{% set text %}block{% endset %}",
    "{{ {'a': {'b': 1}} }}",
    "{{ '%} }} {# {%' }}{{ \"it's }}\" }}",
    "{# {% for %} #}",
    "{% raw %}{{ {% if %}{% endraw %}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{% call f(1) %}{% endcall %}",
    "{% generation %}{{ m }}{% endgeneration %}{% break %}{% unknown %}",
    "{{ 'a\\'b' }}",
  ])("finds nothing wrong with %s", (template) => {
    expect(templateFault(template)).toBeNull();
  });

  it.each([
    ["a\n{% for m in messages %}", "{% for %} of line 2 is never closed"],
    ["{{ m.content", "a tag is never closed in line 1"],
    ["{{ 'text }}", "a tag is never closed"],
    ["{# note", "a comment is never closed"],
    ["{% if a %}{% endfor %}", "{% endfor %} of line 1 meets {% if %} of line 1"],
    ["{% endif %}", "{% endif %} of line 1 closes nothing"],
    ["{{ messages[0 }}", 'an unexpected "}"'],
    ["{% raw %}{{", "{% raw %} of line 1 is never closed"],
  ])("says what is wrong with %s", (template, fault) => {
    expect(templateFault(template)).toContain(fault);
  });
});
