//===- Image.h - what a module is loaded from ---------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_DRIVER_IMAGE_H
#define TEGULA_TOOLS_PTXSIM_DRIVER_IMAGE_H

#include "Cuda.h"
#include <string>

namespace ptxsim {

/// Finds the PTX text of `image`: a NUL-terminated text, a fat binary, or the wrapper around one that compilers make.
/// Of several texts it takes the one for the newest device that is no newer than `sm`. `log` says why on failure.
CUresult readImage(const void *image, unsigned sm, std::string &ptx, std::string &log);

} // namespace ptxsim

#endif
