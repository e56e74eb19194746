;; One product of matrices, C (m, p) = A (m, k) B (k, p), for the network in the page (unet.js).
;; B comes in panels of 8 columns, each k rows long, so that memory is read in one direction.
;; $A, $B, $C are addresses in bytes; $m is a multiple of 4, $p of 8. No sum is shared between
;; lanes, so each entry of C is added up in the order of k.
;;
;; After a change: npx --package wabt wat2wasm book/_live/matmul.wat -o - | base64 -w0
;; and put the result into KERNEL in unet.js. (`wat2wasm` is part of WebAssembly's binary toolkit.)
(module
  (memory (export "memory") 1024) ;; pages of 64 KiB: 64 MiB for weights and all that is between them
  (func (export "matmul")
    (param $A i32) (param $B i32) (param $C i32) (param $m i32) (param $k i32) (param $p i32)
    (local $i i32) (local $j i32) (local $l i32) (local $a i32) (local $b i32) (local $c i32)
    (local $row i32) (local $wide i32) (local $left v128) (local $right v128) (local $w v128)
    (local $c0 v128) (local $c1 v128) (local $c2 v128) (local $c3 v128)
    (local $d0 v128) (local $d1 v128) (local $d2 v128) (local $d3 v128)
    (local.set $row (i32.shl (local.get $k) (i32.const 2)))  ;; bytes in a row of A
    (local.set $wide (i32.shl (local.get $p) (i32.const 2))) ;; bytes in a row of C
    (loop $columns ;; 8 at a time
      (local.set $i (i32.const 0))
      (loop $rows ;; 4 at a time
        (local.set $a (i32.add (local.get $A) (i32.mul (local.get $i) (local.get $row))))
        (local.set $b (i32.add (local.get $B) (i32.mul (local.get $j) (local.get $row))))
        (local.set $c0 (v128.const f32x4 0 0 0 0)) (local.set $d0 (v128.const f32x4 0 0 0 0))
        (local.set $c1 (v128.const f32x4 0 0 0 0)) (local.set $d1 (v128.const f32x4 0 0 0 0))
        (local.set $c2 (v128.const f32x4 0 0 0 0)) (local.set $d2 (v128.const f32x4 0 0 0 0))
        (local.set $c3 (v128.const f32x4 0 0 0 0)) (local.set $d3 (v128.const f32x4 0 0 0 0))
        (local.set $l (local.get $k))
        (loop $sum
          (local.set $left (v128.load (local.get $b)))
          (local.set $right (v128.load offset=16 (local.get $b)))
          (local.set $w (v128.load32_splat (local.get $a)))
          (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (local.get $w) (local.get $left))))
          (local.set $d0 (f32x4.add (local.get $d0) (f32x4.mul (local.get $w) (local.get $right))))
          (local.set $w (v128.load32_splat (i32.add (local.get $a) (local.get $row))))
          (local.set $c1 (f32x4.add (local.get $c1) (f32x4.mul (local.get $w) (local.get $left))))
          (local.set $d1 (f32x4.add (local.get $d1) (f32x4.mul (local.get $w) (local.get $right))))
          (local.set $w (v128.load32_splat
            (i32.add (local.get $a) (i32.shl (local.get $row) (i32.const 1)))))
          (local.set $c2 (f32x4.add (local.get $c2) (f32x4.mul (local.get $w) (local.get $left))))
          (local.set $d2 (f32x4.add (local.get $d2) (f32x4.mul (local.get $w) (local.get $right))))
          (local.set $w (v128.load32_splat
            (i32.add (local.get $a) (i32.mul (local.get $row) (i32.const 3)))))
          (local.set $c3 (f32x4.add (local.get $c3) (f32x4.mul (local.get $w) (local.get $left))))
          (local.set $d3 (f32x4.add (local.get $d3) (f32x4.mul (local.get $w) (local.get $right))))
          (local.set $a (i32.add (local.get $a) (i32.const 4)))
          (local.set $b (i32.add (local.get $b) (i32.const 32)))
          (br_if $sum (local.tee $l (i32.sub (local.get $l) (i32.const 1)))))
        (local.set $c (i32.add (local.get $C) (i32.add
          (i32.mul (local.get $i) (local.get $wide)) (i32.shl (local.get $j) (i32.const 2)))))
        (v128.store (local.get $c) (local.get $c0))
        (v128.store offset=16 (local.get $c) (local.get $d0))
        (local.set $c (i32.add (local.get $c) (local.get $wide)))
        (v128.store (local.get $c) (local.get $c1))
        (v128.store offset=16 (local.get $c) (local.get $d1))
        (local.set $c (i32.add (local.get $c) (local.get $wide)))
        (v128.store (local.get $c) (local.get $c2))
        (v128.store offset=16 (local.get $c) (local.get $d2))
        (local.set $c (i32.add (local.get $c) (local.get $wide)))
        (v128.store (local.get $c) (local.get $c3))
        (v128.store offset=16 (local.get $c) (local.get $d3))
        (br_if $rows (i32.lt_u
          (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $m))))
      (br_if $columns (i32.lt_u
        (local.tee $j (i32.add (local.get $j) (i32.const 8))) (local.get $p))))))
