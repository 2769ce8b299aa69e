// Functions that kernels call by these names, with LLVM's libclc behind them: `Device.cpp` turns libm's names and LLVM's
// intrinsics into these.
#define ONE(name)                                                                                                      \
  float tegula_##name##_f32(float x) { return name(x); }                                                              \
  double tegula_##name##_f64(double x) { return name(x); }
#define TWO(name)                                                                                                      \
  float tegula_##name##_f32(float x, float y) { return name(x, y); }                                                   \
  double tegula_##name##_f64(double x, double y) { return name(x, y); }
ONE(sin)
ONE(cos)
ONE(tan)
ONE(asin)
ONE(acos)
ONE(atan)
ONE(sinh)
ONE(cosh)
ONE(tanh)
ONE(asinh)
ONE(acosh)
ONE(atanh)
ONE(exp)
ONE(exp2)
ONE(exp10)
ONE(expm1)
ONE(log)
ONE(log2)
ONE(log10)
ONE(log1p)
ONE(erf)
ONE(erfc)
ONE(cbrt)
TWO(pow)
TWO(atan2)
TWO(fmod)
