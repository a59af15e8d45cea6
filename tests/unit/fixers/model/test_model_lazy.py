import sys

from nightshift.daemon.kit.run import run


def test_importing_the_fixer_loads_no_client():
    script = (
        "import sys, nightshift.fixers.model.fixer as f; f.ModelFixer(f.Settings());"
        "print([m for m in ('httpx', 'llama_cpp', 'openai', 'docker') if m in sys.modules])"
    )
    done = run([sys.executable, "-c", script], timeout_s=60)
    assert done.text().strip() == "[]", done.why()
