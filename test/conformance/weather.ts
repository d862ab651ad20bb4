/** The tool the demo model was trained to call, and a question that makes it do so. */
export const WEATHER_QUESTION = "What is the weather in Paris?";
export const WEATHER_RESULT = JSON.stringify({ temperature: 18, condition: "sunny" });

export const WEATHER_PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
} as const;

export const WEATHER_TOOL = {
  type: "function",
  function: { name: "get_weather", description: "Weather of a city", parameters: WEATHER_PARAMETERS },
} as const;
