// Normalisation, with the ReLU (and a residual sum) that follows it in the same pass. Maps are f32, bf16, f16 or f64;
// parameters and running statistics f64 for an f64 x and f32 otherwise; statistics are taken in double.
#pragma once

#include "tensor/tensor.h"

namespace az::ops {

/// y = weight * (x - mean) / sqrt(var + eps) + bias, then max(., 0) if `relu`; mean and biased variance of each image's
/// group over h, w and its c / groups channels (Wu & He, "Group Normalization", ECCV 2018).
///
/// x        [n, h, w, c]; weight, bias [c]; groups divides c
/// returns  [n, h, w, c]
/// grad     x, weight, bias; keeps x, and recomputes the sign of y from it
/// memory   without a gradient y takes the place of an x that is moved in and that nobody else holds (on the CPU)
Tensor group_norm(Tensor x, const Tensor& weight, const Tensor& bias, int groups, double eps, bool relu);

/// y = weight * (x - mean) / sqrt(var + eps) + bias (+ residual), then max(., 0) if `relu` (Ioffe & Szegedy, ICML
/// 2015).
///
/// training: mean and biased variance of each channel over n, h and w; the running ones become
///           (1 - momentum) * running + momentum * batch, with the unbiased variance, as PyTorch. Error: one value a
///           channel
/// else:     the running ones, which stay as they are
/// x        [n, h, w, c]; weight, bias, running_mean, running_var [c]; residual [n, h, w, c] or undefined
/// returns  [n, h, w, c]
/// grad     x, weight, bias, residual; keeps x, and y where both `relu` and a residual are there
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                  bool training, double momentum, double eps, bool relu, const Tensor& residual = {});

/// A norm with fixed statistics as one multiplication and addition a channel.
struct FoldedNorm {
  Tensor scale;  ///< [c]  weight / sqrt(var + eps)
  Tensor shift;  ///< [c]  bias - mean * scale
};

/// Folds a batch norm whose statistics and affine parameters are constants. Computed in double.   all [c]
FoldedNorm fold_norm(const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& var, double eps);

/// y = scale * x + shift (+ residual), then max(., 0) if `relu`: a frozen batch norm.
///
/// x        [n, h, w, c]; scale, shift [c], constants: an error if one wants a gradient; residual [n, h, w, c] or
/// undefined grad     x, residual; keeps y, and only if `relu`
Tensor frozen_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, bool relu, const Tensor& residual = {});

}  // namespace az::ops
