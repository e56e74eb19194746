(* What the statements are made of, and lemmas for their proofs.

   Only the definitions (before "Lemmas") have to be read and believed: they say what alpha,
   alpha_bar, a Gaussian density, a mean and an integral are. Everything after them is checked. *)

Require Import Reals Lra Psatz Lia FunctionalExtensionality.
Open Scope R_scope.

(* Sums and products over k = low..high; empty when high < low. *)
Fixpoint sum_of (f : nat -> R) (low count : nat) : R :=
  match count with O => 0 | S n => sum_of f low n + f (low + n)%nat end.
Fixpoint product_of (f : nat -> R) (low count : nat) : R :=
  match count with O => 1 | S n => product_of f low n * f (low + n)%nat end.
Definition Sum (low high : nat) (f : nat -> R) : R := sum_of f low (S high - low).
Definition Prod (low high : nat) (f : nat -> R) : R := product_of f low (S high - low).

(* The squared length of a vector of d components. *)
Definition norm2 (d : nat) (v : nat -> R) : R := Sum 1 d (fun i => v i * v i).

(* N(x; mean, var), the density of a Gaussian at x. *)
Definition normal (x mean var : R) : R :=
  exp (- (x - mean) ^ 2 / (2 * var)) / sqrt (2 * PI * var).

(* A mean: linear, and 1 of what is always 1. Every mean given x_0, over q, ... is one of these. *)
Record expectation {Om : Type} (E : (Om -> R) -> R) : Prop := {
  mean_plus : forall X Y, E (fun w => X w + Y w) = E X + E Y;
  mean_times : forall c X, E (fun w => c * X w) = c * E X;
  mean_one : E (fun _ => 1) = 1
}.
Definition variance {Om : Type} (E : (Om -> R) -> R) (X : Om -> R) : R :=
  E (fun w => X w * X w) - E X * E X.

(* An integral over the line: constant factors come out, and a bell has Gauss's area. *)
Record integral (I : (R -> R) -> R) : Prop := {
  integral_times : forall c f, I (fun x => c * f x) = c * I f;
  integral_bell : forall A m, 0 < A ->
    I (fun x => exp (- (A / 2) * (x - m) ^ 2)) = sqrt (2 * PI / A)
}.

(* The schedule: 0 < beta_t < 1 from t = 1 on. *)
Definition schedule (beta : nat -> R) : Prop :=
  forall k : nat, (1 <= k)%nat -> 0 < beta k < 1.
Definition alpha_of (beta : nat -> R) (t : nat) : R := 1 - beta t.
Definition alpha_bar_of (beta : nat -> R) (t : nat) : R := Prod 1 t (alpha_of beta).

(* ---- Lemmas ---- *)

Lemma from_one : forall P : nat -> Prop, P 1%nat ->
  (forall t, (2 <= t)%nat -> P (t - 1)%nat -> P t) -> forall t, (1 <= t)%nat -> P t.
Proof.
  intros P one next t. induction t as [|t IH]; [lia|]. intros _.
  destruct t as [|t]; [exact one|].
  apply next; [lia|]. replace (S (S t) - 1)%nat with (S t) by lia. apply IH. lia.
Qed.

Lemma sum_last : forall low high f, (low <= high)%nat -> (1 <= high)%nat ->
  Sum low high f = Sum low (high - 1) f + f high.
Proof.
  intros low high f H H1. unfold Sum.
  replace (S high - low)%nat with (S (S (high - 1) - low)) by lia.
  cbn [sum_of]. replace (low + (S (high - 1) - low))%nat with high by lia.
  reflexivity.
Qed.

Lemma product_last : forall low high f, (low <= high)%nat -> (1 <= high)%nat ->
  Prod low high f = Prod low (high - 1) f * f high.
Proof.
  intros low high f H H1. unfold Prod.
  replace (S high - low)%nat with (S (S (high - 1) - low)) by lia.
  cbn [product_of]. replace (low + (S (high - 1) - low))%nat with high by lia. reflexivity.
Qed.

Lemma sum_empty : forall low high f, (high < low)%nat -> Sum low high f = 0.
Proof. intros. unfold Sum. replace (S high - low)%nat with O by lia. reflexivity. Qed.

Lemma product_empty : forall low high f, (high < low)%nat -> Prod low high f = 1.
Proof. intros. unfold Prod. replace (S high - low)%nat with O by lia. reflexivity. Qed.

Lemma sum_ext : forall low high f g,
  (forall k, (low <= k <= high)%nat -> f k = g k) -> Sum low high f = Sum low high g.
Proof.
  intros low high f g. unfold Sum. remember (S high - low)%nat as n.
  assert (n <= S high - low)%nat as Hn by lia. clear Heqn. revert Hn.
  induction n; intros Hn H; simpl; [reflexivity|].
  rewrite IHn by (try lia; assumption). rewrite H by lia. reflexivity.
Qed.

Lemma sum_plus : forall low high f g,
  Sum low high (fun k => f k + g k) = Sum low high f + Sum low high g.
Proof.
  intros. unfold Sum. induction (S high - low)%nat; simpl; [ring|]. rewrite IHn. ring.
Qed.

Lemma sum_times : forall low high c f,
  Sum low high (fun k => c * f k) = c * Sum low high f.
Proof.
  intros. unfold Sum. induction (S high - low)%nat; simpl; [ring|]. rewrite IHn. ring.
Qed.

Lemma sum_one : forall d, Sum 1 d (fun _ => 1) = INR d.
Proof.
  intros. unfold Sum. replace (S d - 1)%nat with d by lia.
  induction d; [reflexivity|]. cbn [sum_of]. rewrite IHd, S_INR. reflexivity.
Qed.

Lemma pow_link : forall x n m, n = S m -> x ^ n = x * x ^ m.
Proof. intros x n m ->. reflexivity. Qed.

Lemma mean_ext : forall Om (E : (Om -> R) -> R) X Y, (forall w, X w = Y w) -> E X = E Y.
Proof. intros Om E X Y H. f_equal. apply functional_extensionality. exact H. Qed.

Lemma root_is : forall r y, 0 <= y -> y * y = r -> sqrt r = y.
Proof. intros r y H <-. apply sqrt_square. exact H. Qed.

Lemma ln_is : forall x y, exp y = x -> ln x = y.
Proof. intros x y <-. apply ln_exp. Qed.

Lemma exp_half_ln : forall x, 0 < x -> exp (ln x / 2) = sqrt x.
Proof.
  intros x H. symmetry. apply root_is; [apply Rlt_le, exp_pos|].
  rewrite <- exp_plus. replace (ln x / 2 + ln x / 2) with (ln x) by field.
  apply exp_ln. exact H.
Qed.

Lemma ln_bound : forall a, 0 < a < 1 -> - ln (1 - a) <= a / (1 - a).
Proof.
  intros a H. rewrite <- ln_Rinv by lra.
  replace (a / (1 - a)) with (/ (1 - a) - 1) by (field; lra).
  pose proof (exp_ineq1_le (ln (/ (1 - a)))) as B.
  rewrite exp_ln in B by (apply Rinv_0_lt_compat; lra). lra.
Qed.

Section Schedule.
Variable beta : nat -> R.
Hypothesis in_range : schedule beta.

Lemma beta_left : forall t, beta t = 1 - alpha_of beta t.
Proof. intros. unfold alpha_of. ring. Qed.

Lemma alpha_range : forall t, (1 <= t)%nat -> 0 < alpha_of beta t < 1.
Proof. intros t H. unfold alpha_of. specialize (in_range t H). lra. Qed.

Lemma alpha_bar_zero : alpha_bar_of beta 0 = 1.
Proof. reflexivity. Qed.

Lemma alpha_bar_link : forall t s, (1 <= t)%nat -> t = S s ->
  alpha_bar_of beta t = alpha_of beta t * alpha_bar_of beta s.
Proof.
  intros t s H E. unfold alpha_bar_of. rewrite product_last by lia.
  replace (t - 1)%nat with s by lia. ring.
Qed.

Lemma alpha_bar_positive : forall t, 0 < alpha_bar_of beta t.
Proof.
  induction t; [rewrite alpha_bar_zero; lra|].
  rewrite (alpha_bar_link (S t) t) by lia.
  apply Rmult_lt_0_compat; [apply alpha_range; lia|assumption].
Qed.

Lemma alpha_bar_at_most_one : forall t, 0 < alpha_bar_of beta t <= 1.
Proof.
  intros t. split; [apply alpha_bar_positive|].
  induction t; [rewrite alpha_bar_zero; lra|].
  rewrite (alpha_bar_link (S t) t) by lia.
  pose proof (alpha_range (S t) ltac:(lia)). pose proof (alpha_bar_positive t). nra.
Qed.

Lemma alpha_bar_range : forall t, (1 <= t)%nat -> 0 < alpha_bar_of beta t < 1.
Proof.
  intros t H. split; [apply alpha_bar_positive|]. destruct t; [lia|].
  rewrite (alpha_bar_link (S t) t) by lia.
  pose proof (alpha_range (S t) ltac:(lia)). pose proof (alpha_bar_at_most_one t). nra.
Qed.
End Schedule.

(* Signs, by the shape of an expression; at the leaves, by linear arithmetic and squares. *)
Ltac positive :=
  lazymatch goal with
  | |- _ /\ _ => split; positive
  | |- 0 < ?a * ?b => apply Rmult_lt_0_compat; positive
  | |- 0 < ?a / ?b => apply Rdiv_lt_0_compat; positive
  | |- 0 < / ?a => apply Rinv_0_lt_compat; positive
  | |- 0 < sqrt ?a => first [assumption | apply sqrt_lt_R0; positive]
  | |- 0 < exp ?a => apply exp_pos
  | |- 0 < PI => exact PI_RGT_0
  | |- 0 < ?a ^ _ => apply pow_lt; positive
  | |- 0 < _ => first [assumption | match goal with H : forall _, _ |- _ => apply H end | lra | nra]
  | |- 0 <= _ => first [assumption | apply Rlt_le; positive | nra | apply Rmult_le_pos; positive]
  | |- ?a <> 0 => first [assumption | nonzero]
  | |- _ => first [assumption | lra | nra]
  end
with nonzero :=
  lazymatch goal with
  | |- ?a * ?b <> 0 => apply Rmult_integral_contrapositive_currified; nonzero
  | |- ?a ^ _ <> 0 => apply pow_nonzero; nonzero
  | |- ?a <> 0 =>
      first [assumption | apply Rgt_not_eq; unfold Rgt; positive | apply Rlt_not_eq; nra]
  end.
