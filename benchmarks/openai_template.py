"""The deployment guide's template, a client, one call, five numbers: the peer of `doctor` and `embed`.

usage: openai_template.py BASE_URL
"""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="EMPTY")
response = client.embeddings.create(model="bge-large-zh-v1.5", input="今天天气怎么样？")
print(response.data[0].embedding[:5])
