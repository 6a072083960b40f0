"""Finds the coefficients of `normal` in math.rs; needs NumPy and SciPy.

With z = |x| / sqrt 2 and t = 1 / (1 + 0.325 z), exp(z^2) erfc(z) is fitted by a polynomial in t: least
squares of the relative error at Chebyshev nodes of 0 <= z <= 10. Beyond, exp(-z^2) is 0 in single
precision. Prints the largest relative error, then the coefficients from the highest power on.
"""

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from scipy.special import erfcx

STEP, DEGREE, NODES = 0.325, 8, 400
end = 1 / (1 + 10 * STEP)
middle, half = (1 + end) / 2, (1 - end) / 2

u = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
t = middle + half * u
exact = erfcx((1 / t - 1) / STEP)
basis = chebyshev.chebvander(u, DEGREE)
fitted = np.linalg.lstsq(basis / exact[:, None], np.ones(NODES), rcond=None)[0]
print("largest relative error", np.abs(basis @ fitted / exact - 1).max())

in_t = np.zeros(1)
for coefficient in chebyshev.cheb2poly(fitted)[::-1]:
    in_t = polynomial.polyadd(polynomial.polymul(in_t, [-middle / half, 1 / half]), [coefficient])
print(*in_t[::-1], sep="\n")
