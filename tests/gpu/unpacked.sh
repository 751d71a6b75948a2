#!/bin/sh
# Runs a command with this pack, on a GPU machine without a network; made by tests/gpu/pack.py.
#
#   sh run.sh python3 -m pytest tests/gpu
#   sh run.sh python3 -m tests.benchmarks.bench_gpu --peer python3
#
#   PYTHON  the Python of the machine, with numpy, pyarrow, tokenizers and pytest (default: python3)
#   ACCEL   cuda, vulkan or metal, where llama.cpp is compiled here (default: cuda)
#   MODEL   the default model's file, where the pack has been made without it
set -eu
pack=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
site=$pack/site
if [ ! -e "$pack/ready" ]; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$site" \
    "$pack"/wheels/*.whl
  if [ ! -d "$pack/lib" ]; then
    accel=$(echo "${ACCEL:-cuda}" | tr '[:lower:]' '[:upper:]')
    cmake -S "$pack/llama.cpp" -B "$pack/build" -DCMAKE_BUILD_TYPE=Release "-DGGML_$accel=ON" \
      -DBUILD_SHARED_LIBS=ON '-DCMAKE_INSTALL_RPATH=$ORIGIN' -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON \
      -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
      -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF ${CMAKE_ARGS:-}
    cmake --build "$pack/build" --parallel "$(getconf _NPROCESSORS_ONLN)" --target llama
    mkdir "$pack/lib"
    cp -P "$pack"/build/bin/lib* "$pack/lib"
  fi
  cp -r "$pack/binding/llama_cpp" "$site"
  cp -rP "$pack/lib" "$site/llama_cpp/lib"
  # The binding looks for plain names.
  for name in llama ggml ggml-base; do
    [ -e "$site/llama_cpp/lib/lib$name.so" ] || [ ! -e "$site/llama_cpp/lib/lib$name.so.0" ] ||
      ln -s "lib$name.so.0" "$site/llama_cpp/lib/lib$name.so"
  done
  if [ -n "${MODEL:-}" ]; then
    folder=$(dirname "$(find "$pack/project/llama_cli" -name PROVENANCE.md)")
    ln -sf "$MODEL" "$folder/"
  fi
  touch "$pack/ready"
fi
# CUDA's own libraries may be those of a torch that is installed.
cuda=$("$python" -c 'import glob, sys
print(":".join(path for folder in sys.path for path in glob.glob(folder + "/nvidia/*/lib")))')
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$cuda:/usr/local/cuda/lib64"
export PYTHONPATH="$site:$pack/project"
cd "$pack/project"
exec "$@"
