# Front door. Everything is built by CMake into build/.
.PHONY: all clean
all:
	cmake -S . -B build -G Ninja >build/.configure.log 2>&1 || (mkdir -p build && cmake -S . -B build -G Ninja)
	cmake --build build
clean:
	rm -rf build
