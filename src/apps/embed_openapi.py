"""embed_openapi.py api/openapi.yaml VERSION OUT.c: the API description as a JSON byte array in C.

JSON rather than YAML leaves the server, since every client reads it; the source stays YAML, since people write it.
"""

import json
import sys

import yaml

BYTES_A_LINE = 24


def main(source, version, target):
    with open(source, encoding="utf-8") as f:
        api = yaml.safe_load(f)
    api["info"]["version"] = version
    text = json.dumps(api, ensure_ascii=False, separators=(",", ":")).encode()
    lines = [",".join(str(b) for b in text[i : i + BYTES_A_LINE]) for i in range(0, len(text), BYTES_A_LINE)]
    with open(target, "w", encoding="utf-8") as f:
        f.write('#include "services/gateway/openapi.h"\n\nconst unsigned char lh_openapi_json[] = {\n')
        f.write(",\n".join(lines))
        f.write("};\nconst size_t lh_openapi_json_size = sizeof(lh_openapi_json);\n")


main(*sys.argv[1:])
