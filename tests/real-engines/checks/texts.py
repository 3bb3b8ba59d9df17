"""Compares greedy texts under load: python texts.py GATEWAY REGULAR [COUNT]

The same prompts go through the gateway, eight at a time, and to a regular engine. Exit code 1 when a text differs or a request
fails.
"""
import collections
import sys
import threading

from wire import call

gateway, regular = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 40
outcomes, ranks, wrong = collections.Counter(), collections.Counter(), []


def one(index):
    body = {"text": f"prompt {index} {'y' * (index % 40)}", "sampling_params": {"temperature": 0, "max_new_tokens": 10}}
    answer = call(gateway, "/generate", body, timeout=60)
    outcomes[answer.status] += 1
    if answer.status != 200:
        wrong.append((index, answer.text[:160]))
        return
    result = answer.json()
    ranks[result["meta_info"].get("dp_rank")] += 1
    if result["text"] != call(regular, "/generate", body).json()["text"]:
        wrong.append((index, result["text"]))


for first in range(0, count, 8):
    threads = [threading.Thread(target=one, args=(i,)) for i in range(first, min(first + 8, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(dict(outcomes), "ranks", dict(ranks), "wrong or failed", len(wrong), wrong[:3])
sys.exit(1 if wrong or not outcomes else 0)
