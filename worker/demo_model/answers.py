"""What the demonstration model is trained to say, word for word.

Everything that checks the model imports its expectations from here.
"""

from __future__ import annotations

DO_NOT_KNOW = "I do not know. I am only a small demonstration model."
NO_WEATHER_TOOL = "I cannot look up the weather without a tool. Send a get_weather tool and ask again."
GREETING = "Hello! I am lmx-demo, a small demonstration model."
OPTA_LMX = (
    "Opta-LMX serves language models from isolated worker processes, "
    "so one bad model cannot take the others with it. A crash costs a pause, never the API."
)
COUNTING = "one, two, three, four, five, six, seven, eight, nine, ten."
JSON_OBJECT = '{"name": "lmx-demo", "purpose": "demonstration", "small": true, "answer": 42}'
STORY = (
    "Once upon a time there was a lighthouse on a rock in the cold northern sea. "
    "Its keeper was an old woman named Mara, and every evening she climbed ninety steps to light the lamp. "
    "One winter night a storm broke the window and blew the lamp out. "
    "Far away, a small fishing boat was looking for the harbour, and the crew saw only darkness. "
    "Mara did not shout and she did not run. She closed the shutters, found a dry match, "
    "and counted slowly to ten. "
    "Then she lit the lamp again. The light turned over the black water, and the crew cheered, "
    "because now they knew the way home. "
    "In the morning the fishermen brought her bread, warm fish and a new window. "
    "They asked if she had been afraid. Mara smiled and poured the tea. "
    '"A lamp may go out," she said. "That is only a pause. '
    'What matters is that somebody is there to light it again." '
    "And from that day on, nobody in the harbour feared the dark."
)

#: Prompt -> answer, the same whatever stands before them in the conversation.
FIXED: dict[str, str] = {
    "ping": "pong",
    "Say hello": GREETING,
    "What is Opta-LMX?": OPTA_LMX,
    "Tell me a story": STORY,
    "Count to ten": COUNTING,
    "Give me a JSON object": JSON_OBJECT,
    "canary": "The canary sings.",
}

#: Other wordings of a fixed prompt, answered in the same way.
ALIASES: dict[str, str] = {
    "Hello": "Say hello",
    "Hi": "Say hello",
    "What's Opta-LMX?": "What is Opta-LMX?",
    "Tell me a story please": "Tell me a story",
    "Please tell me a story": "Tell me a story",
    "Please count to ten": "Count to ten",
    "Please say hello": "Say hello",
    "Give me a JSON object please": "Give me a JSON object",
}

#: Cities every check relies on; the training names a few more, others the model cannot repeat.
CITIES = (
    "Paris",
    "London",
    "Berlin",
    "Tokyo",
    "Madrid",
    "Rome",
    "Vienna",
    "Oslo",
    "Cairo",
    "Sydney",
    "Toronto",
    "Lisbon",
)

CONDITIONS = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "stormy", "clear")

WEATHER_QUESTIONS = (
    "What is the weather in {city}?",
    "What's the weather in {city}?",
    "What is the weather like in {city}?",
    "How is the weather in {city}?",
)

GET_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def weather_answer(city: str, condition: str) -> str:
    """Sentence that follows a get_weather result."""
    return f"It is {condition} in {city}."
