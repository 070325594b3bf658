;; Matrix times vector with SIMD: the source of the bytes in kernel.js,
;; assembled with `wat2wasm kernel.wat` (WABT).
;;
;; Four registers of four float32 each add up a row, so that no addition
;; waits for the one before it. A row is a multiple of 16 numbers long.
(module
  (memory (export "memory") 1)
  (func (export "multiply")
    ;; Addresses in bytes of the matrix, the vector and the product.
    (param $matrix i32) (param $vector i32) (param $out i32)
    (param $rows i32) (param $columns i32)
    (local $x i32) (local $end i32) (local $last i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end (i32.add (local.get $vector)
      (i32.mul (local.get $columns) (i32.const 4))))
    (local.set $last (i32.add (local.get $out)
      (i32.mul (local.get $rows) (i32.const 4))))
    (loop $row
      (local.set $x (local.get $vector))
      (local.set $a (v128.const f32x4 0 0 0 0))
      (local.set $b (local.get $a))
      (local.set $c (local.get $a))
      (local.set $d (local.get $a))
      (loop $column
        (local.set $a (f32x4.add (local.get $a) (f32x4.mul
          (v128.load (local.get $matrix))
          (v128.load (local.get $x)))))
        (local.set $b (f32x4.add (local.get $b) (f32x4.mul
          (v128.load offset=16 (local.get $matrix))
          (v128.load offset=16 (local.get $x)))))
        (local.set $c (f32x4.add (local.get $c) (f32x4.mul
          (v128.load offset=32 (local.get $matrix))
          (v128.load offset=32 (local.get $x)))))
        (local.set $d (f32x4.add (local.get $d) (f32x4.mul
          (v128.load offset=48 (local.get $matrix))
          (v128.load offset=48 (local.get $x)))))
        (local.set $matrix (i32.add (local.get $matrix) (i32.const 64)))
        (local.set $x (i32.add (local.get $x) (i32.const 64)))
        (br_if $column (i32.lt_u (local.get $x) (local.get $end))))
      (local.set $a (f32x4.add
        (f32x4.add (local.get $a) (local.get $b))
        (f32x4.add (local.get $c) (local.get $d))))
      (f32.store (local.get $out) (f32.add
        (f32.add (f32x4.extract_lane 0 (local.get $a))
                 (f32x4.extract_lane 1 (local.get $a)))
        (f32.add (f32x4.extract_lane 2 (local.get $a))
                 (f32x4.extract_lane 3 (local.get $a)))))
      (local.set $out (i32.add (local.get $out) (i32.const 4)))
      (br_if $row (i32.lt_u (local.get $out) (local.get $last))))))
