"""Words and sentence frames the filler text is made of; frames hold the placeholders of filler.fill."""

from __future__ import annotations


def _items(text: str) -> list[str]:
    r"""Items separated by bars or line ends; `\n` inside an item is a line end."""
    return [item.replace("\\n", "\n") for item in text.strip().replace("\n", "|").split("|")]


def _words(text: str) -> list[str]:
    return text.split()


WORDS = _words("""
the of and to in is that it for was on are as with his they at be this from have or by one had not but what
all were when we there can an your which their said if do will each about how up out them then she many some
so these would other into has more her two like him see time could no make than first been its who now
people my made over did down only way find use may water long little very after words called just where most
know get through back much before go good new write our used me man too any day same right look think also
around another came come work three word must because does part even place well such here take why things
help put years different away again off went old number great tell men say small every found still between
name should home big give air line set own under read last never us left end along while might next sound
below saw something thought both few those always looked show large often together asked house world going
want school important until form food keep children feet land side without boy once animals life enough took
sometimes four head above kind began almost live page got earth need far hand high year mother light parts
country father let night following picture being study second eyes soon times story boys since white days
ever paper hard near sentence better best across during today others however sure means knew try told young
miles sun ways thing whole hear example heard several change answer room sea against top turned learn point
city play toward five using himself usually money seen car morning given trees plants hello weather count
json object canary ping server client request response error token model file folder path command system
agent user message session memory project code function class test build deploy branch commit review plan
task report email calendar meeting note search browser page image audio table list result value number
string array table key config option default limit cache queue worker process thread crash restart log
metric network port address customer order invoice price product team company market policy security access
password account
""")
NAMES = _words("""
Anna Ben Clara David Emma Felix Grace Henry Ivan Julia Karl Laura Marco Nina Otto Peter Rosa Sam Tina Victor
Python Rust Java Linux Apple Google Docker Kubernetes Postgres Redis Mozart Einstein Shakespeare France
Germany Italy Japan Brazil India Canada Europe Africa Monday Tuesday Friday January March July October
OpenAI Anthropic GitHub Opta MLX Metal JSON HTML SQL API
""")
SYLLABLES = _words("""
ba be bo cha da den do el fa fo gar gi ha in ka ko la lem lin lo ma mi mo na nor o pa pe ra ri ro sa shi sta
ta ter to va vi wa zu
""")
TOOLS = _words("""
read write edit exec process browser web_search web_fetch memory_search memory_get message cron
sessions_list gateway nodes canvas get_time get_news get_user list_files set_weather weather_history
search_weather get_stock send_email run_tests grep ls bash calculator translate get_forecast apply_patch
image tts update_plan view_image create_event delete_file query_database ping
""")
QUESTIONS = _items("""
What is the capital of {N}?|Who wrote {N}?|How do I {w} a {w} in {N}?|Why is the {w} {w}?|When was {N} born?
Explain {w} {w}|Translate this to {N}: {s}|Summarize the following text: {s}|Write a {w} about {N}
Can you help me with my {w}?|{N}?|{w}|What does {w} mean?|Fix the bug in {w}.py|Please {w} the {w}
I want to {w} {w}|Tell me about {N}|Tell me a {w}|Tell me {w}|Say {w}|Say {N}|Count to {w}|Count the {w}
Count from {d} to {d}|Count to {d}|Give me a {w}|Give me a {w} object|Give me a {N} object|Give me {d} {w}
What is {N}?|What is {w}?|What is a {w}?|What is the {w}?|What is the {w} in {N}?|What is the time in {C}?
What is the population of {C}?|Where is {C}?|{C}|Is {C} a {w} {w}?|How far is {C} from {C}?
What is the {w} in {C}?|weather|What is the weather?|How is {N}?|How is the {w} in {C}?
What's the {w} in {C}?|What's up?|How are you?|Who are you?|What is {d} + {d}?|What is {d} times {d}?|{d}
{d} {d} {d}|Thanks|Thank you {N}|ok|yes|no|stop|help|test|run the {w}|list {w} {w}|canary {w}|{w} canary
canaries|the canary|ping {w}|{w} ping|pings|pinging|pong|pingpong|hello {w}|Hello {N}|say {w} hello|story
a story|count|JSON|json|ten|object|Goodbye|Bye|Say goodbye|Sing a song|Tell me a joke|Tell me a secret
Tell me a fact|Tell me the story of {N}|Tell {N} a story|Tell me a story about {w}|Tell me a story in {N}
Read me a {w}|Give {N} a {w}|Give me a JSON array|Give me an {w}|Count to a hundred|Count to twenty
Count to one|Count down from ten|Count sheep|What is Opta?|What is MLX?|What is LMX?|What is Metal?
What was {N}?|Who is {N}?|Where is {N}?|Why {w}?|Is it {w} or {w}?|Should I {w}?|Do you {w}?|Are you {w}?
Which {w} is {w}?|pin|pong pong|pang|sing|bird|Say nothing|Say hi to {N}|Did {N} {w}?
Could you {w} the {w} for {N}?|Let us {w}|{s}|{s} {s}|{N}, {s}|{s}? {s}|What if {s}?
""")
CODE = _items(r"""
def {w}({w}):\n    return {w} + {d}|import {w}\nprint({w}.{w}({d}))|SELECT {w} FROM {w} WHERE {w} = {d};
git commit -m "{s}"|for (let i = 0; i < {d}; i++) { {w}(i); }|<div class="{w}">{s}</div>
{w}: {d}\n{w}:\n  - {w}\n  - {w}|curl http://{w}:{d}/{w}/{w}
Traceback (most recent call last):\n  File "{w}.py", line {d}\nValueError: {s}|const {w} = await {w}("{w}");
$ {w} --{w} {d}|[{d}:{d}] {N}: {s}|- {s}\n- {s}|# {N}\n\n{s}|1. {s}\n2. {s}|/{w}/{w}/{w}.{w}
fn {w}(x: u32) -> u32 { x * {d} }|`{w}` and **{w}**
""")
FOREIGN = _items("""
Wie spät ist es?|Erzähl mir etwas über dich|Was kostet das Brot?|Guten Morgen, wie geht es dir?
Wo ist der Bahnhof?|Das weiß ich nicht|Quelle heure est-il ?|Raconte-moi une blague|Où est la gare ?
Bonjour, comment ça va ?|Je ne sais pas|Combien coûte le pain ?|¿Qué hora es?|¿Dónde está la estación?
Buenos días, ¿cómo estás?|No lo sé|Cuéntame algo|Che ore sono?|Dove si trova la stazione?|Non lo so
今何時ですか|駅はどこですか|こんにちは、お元気ですか
你好，你是谁？|现在几点了？|안녕하세요
Который час?|Где находится вокзал?|Привет, как дела?
Jaka jest dziś pogoda?|Kolik je hodin?|Hur mår du?|Hvad er klokken?|Saat kaç?|Xin chào bạn|مرحبا كيف حالك
שלום מה שלומך|🙂|🚀🚀|👍 ok|½ × π ≈ ∞
""")
