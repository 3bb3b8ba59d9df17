"""Requests that end an engine process; run it last: python poison.py GATEWAY session|vocabulary

session: `session_params` (engines up to 0.5.19 die). vocabulary: a token id beyond the model's vocabulary (0.5.21 and later).
Exit code 1 when the gateway serves no request afterwards.
"""
import sys

from wire import call

gateway, which = sys.argv[1:3]
params = {"temperature": 0, "max_new_tokens": 4}
body = {"text": "hello", "sampling_params": params, "session_params": {"id": "nope"}}
if which == "vocabulary":
    body = {"input_ids": [1, 99999], "sampling_params": params}
for turn in range(2):
    answer = call(gateway, "/generate", body, timeout=60)
    print(turn, answer.status, f"{answer.seconds:.1f} s", answer.text[:200])
after = call(gateway, "/generate", {"text": "still there?", "sampling_params": params}, timeout=60)
print("after", after.status, after.text[:200])
sys.exit(0 if after.status == 200 else 1)
