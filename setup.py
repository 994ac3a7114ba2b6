"""What pyproject.toml cannot say: kernels are compiled into the wheel where a C++ compiler is, and left out where none is."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))
from atomgraph.kernels import prebuilt  # only the standard library is behind it


class BuildWithKernels(build_py):
    """Kernels beside the Python files; an editable installation compiles them when they are first needed."""

    def run(self):
        super().run()
        self.kernels = []
        if self.editable_mode:
            return
        try:
            self.kernels = [
                str(path) for path in prebuilt.build(Path(self.build_lib) / "atomgraph" / "kernels" / "built")
            ]
        except (prebuilt.CompilerError, OSError) as error:
            self.announce(f"kernels are left out, Python code stands in for them: {error}", level=3)

    def get_outputs(self, include_bytecode=1):
        return super().get_outputs(include_bytecode) + getattr(self, "kernels", [])


class WheelOfItsPlatform(bdist_wheel):
    """Kernels belong to a platform, and to no version of Python; without them the wheel is for every platform."""

    def run(self):
        self.run_command("build")
        kernels = self.get_finalized_command("build_py").kernels
        self.root_is_pure = not kernels
        self.distribution.has_ext_modules = lambda: bool(kernels)
        super().run()

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(cmdclass={"build_py": BuildWithKernels, "bdist_wheel": WheelOfItsPlatform})
