import math

import pytest
import torch
from diffusers import DDPMScheduler
from torch import nn

from ddpm_course import Schedule, forward, marginal, reverse, solvers
from tests.montecarlo import assert_moments


def diffusers_scheduler(variance: str, clip: bool) -> DDPMScheduler:
    kind = {"beta": "fixed_large", "beta_tilde": "fixed_small"}[variance]
    scheduler = DDPMScheduler(1000, variance_type=kind, clip_sample=clip)
    # They keep their tables in float32, and a product of 1000 factors drifts by 1e-5 there. The
    # same tables in float64 let the formulas be compared, not the rounding.
    scheduler.betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    scheduler.one = torch.ones((), dtype=torch.float64)
    return scheduler


# -- the posterior ----------------------------------------------------------------------------


@pytest.mark.parametrize("t", [2, 3, 5, 8])
def test_posterior_is_bayes_rule_on_a_grid(t):
    """q(x_t | x_{t-1}) q(x_{t-1} | x_0), normalized by summing over a fine grid."""
    schedule = Schedule.linear(8, 0.05, 0.6)
    x_0 = torch.tensor([[0.8]], dtype=torch.float64)
    x_t = torch.tensor([[-0.3]], dtype=torch.float64)
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)[:, None]
    log_joint = forward.step(grid, t, schedule).log_prob(x_t)
    log_joint = log_joint + marginal.given_x0(x_0, t - 1, schedule).log_prob(grid)
    weight = log_joint.softmax(0)
    mean = (weight * grid).sum()
    var = (weight * (grid - mean) ** 2).sum()
    q = reverse.posterior(x_0, x_t, t, schedule)
    assert q.mean.item() == pytest.approx(mean.item(), rel=1e-9)
    assert q.var.item() == pytest.approx(var.item(), rel=1e-9)


def test_at_t_1_the_posterior_is_x_0(schedule, generator):
    x_0 = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    q = reverse.posterior(x_0, torch.randn_like(x_0), 1, schedule)
    torch.testing.assert_close(q.mean, x_0)
    assert (q.var == 0).all()


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("clip", [True, False])
def test_transition_agrees_with_diffusers_at_every_t(variance, clip, generator):
    schedule, reference = Schedule.linear(1000), diffusers_scheduler(variance, clip)
    reference.set_timesteps(1000)
    for t in range(1000, 0, -1):
        x_t = torch.randn(1, 4, generator=generator)
        eps = torch.randn(1, 4, generator=generator)
        p = reverse.transition(eps, x_t, t, schedule, variance, clip)
        seed = torch.Generator().manual_seed(t)
        theirs = reference.step(eps, t - 1, x_t, generator=seed).prev_sample
        noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(t))
        ours = p.mean + (p.var.sqrt() * noise if t > 1 else 0)
        scale = max(1.0, float(theirs.abs().max()))
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-6)


def test_mean_in_the_form_of_eps(schedule, generator):
    """Ho et al., eq. 11: (x_t - β_t / √(1 - ᾱ_t) ε) / √α_t."""
    T = schedule.T
    t = torch.arange(1, T + 1)
    x_t = torch.randn(T, 2, dtype=torch.float64, generator=generator)
    eps = torch.randn(T, 2, dtype=torch.float64, generator=generator)
    beta, alpha_bar = schedule.beta[1:, None], schedule.alpha_bar[1:, None]
    expected = (x_t - beta / (1 - alpha_bar).sqrt() * eps) / (1 - beta).sqrt()
    p = reverse.transition(eps, x_t, t, schedule, clip_x0=False)
    torch.testing.assert_close(p.mean, expected, rtol=1e-6, atol=1e-8)


def test_clipping_keeps_x_0_in_range(generator):
    schedule = Schedule.linear(1000)
    x_t, eps = 3 * torch.randn(64, 2, generator=generator), torch.randn(64, 2, generator=generator)
    clipped = marginal.predict_x0(x_t, eps, 700, schedule).clamp(-1, 1)
    p = reverse.transition(eps, x_t, 700, schedule)
    torch.testing.assert_close(p.mean, reverse.posterior(clipped, x_t, 700, schedule).mean)


def test_an_unknown_variance_is_refused():
    x = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="variance is 'learned'; choose 'beta_tilde' or 'beta'"):
        reverse.transition(x, x, 1, Schedule.linear(10), variance="learned")


# -- the sampler ------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_exact_eps_of_gaussian_data_follows_the_analytic_recursion(variance, generator):
    """With data N(m, s²) the best ε is linear in x_t, so every x_t of the sampler is Gaussian,
    and its mean and variance follow a recursion that we can solve by hand."""
    m, s = 0.6, 0.5
    schedule = Schedule.linear(50, 1e-3, 0.2)

    def model(x_t, t):
        alpha_bar = schedule.at(schedule.alpha_bar, t, x_t)
        var = alpha_bar * s**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() * (x_t - alpha_bar.sqrt() * m) / var

    samples = {
        step.t: step.x_t
        for step in reverse.ancestral(
            model, (50_000, 1), schedule, variance, clip_x0=False, generator=generator
        )
    }
    mean, var = 0.0, 1.0  # of x_T
    for t in range(schedule.T, 0, -1):
        assert_moments(samples[t], mean, var)
        beta, alpha_bar = float(schedule.beta[t]), float(schedule.alpha_bar[t])
        v = alpha_bar * s**2 + 1 - alpha_bar
        # x_{t-1} = (x_t - β/(v) (x_t - √ᾱ m)) / √α + σ z, as ε_θ = √(1-ᾱ) (x_t - √ᾱ m) / v
        gain = (1 - beta / v) / math.sqrt(1 - beta)
        offset = beta / v * math.sqrt(alpha_bar) * m / math.sqrt(1 - beta)
        sigma2 = float((schedule.beta if variance == "beta" else schedule.beta_tilde)[t])
        mean, var = gain * mean + offset, gain**2 * var + (sigma2 if t > 1 else 0.0)
    assert_moments(samples[0], mean, var)


class Recorder(nn.Module):
    """Answers 0 and remembers how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.calls: list[tuple[int, bool]] = []

    def forward(self, x, t):
        assert t.shape == (len(x),)
        assert t.dtype == torch.int64
        assert len(t.unique()) == 1
        self.calls.append((int(t[0]), self.training))
        return torch.zeros_like(x)


def test_every_t_is_visited_once_downwards_and_the_last_step_has_no_noise(generator):
    model, schedule = Recorder(), Schedule.linear(6, 0.1, 0.4)
    for variance in ("beta", "beta_tilde"):
        model.calls.clear()
        steps = list(reverse.ancestral(model, (3, 2), schedule, variance, generator=generator))
        assert [t for t, _ in model.calls] == [6, 5, 4, 3, 2, 1]
        assert [step.t for step in steps] == [6, 5, 4, 3, 2, 1, 0]
        # x_0 is the mean of the last transition: what the model saw in x_1.
        last = reverse.transition(torch.zeros(3, 2), steps[-2].x_t, 1, schedule)
        assert torch.equal(steps[-1].x_t, last.mean)
        torch.testing.assert_close(steps[-1].x_t, steps[-2].x0_hat)


def test_the_sampler_leaves_weights_mode_and_gradients_as_it_found_them(generator):
    schedule = Schedule.linear(4, 0.1, 0.4)
    for training in (True, False):
        model = Recorder().train(training)
        before = model.weight.clone()
        for step in reverse.ancestral(model, (2, 2), schedule, generator=generator):
            assert model.training is training
            assert torch.is_grad_enabled()
            assert not step.x_t.requires_grad
        assert all(not was_training for _, was_training in model.calls)
        assert torch.equal(model.weight, before)
        assert model.weight.grad is None


def test_a_seed_repeats_and_a_start_can_be_given():
    schedule, model = Schedule.linear(5, 0.1, 0.4), Recorder()
    draw = [
        reverse.sample(model, (2, 3), schedule, generator=torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    ]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])
    x_T = torch.full((2, 3), 0.5)
    assert torch.equal(next(iter(reverse.ancestral(model, (2, 3), schedule, x_T=x_T))).x_t, x_T)


def shrinking(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """An ε_θ that leaves x_0 outside [-1, 1], so that clipping shows."""
    return 0.2 * x


OPTIONS = [
    {"variance": "beta"},
    {"variance": "beta_tilde"},
    {"clip_x0": True},
    {"clip_x0": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_sample_is_the_end_of_ancestral_with_every_option(options):
    schedule = Schedule.linear(5, 0.1, 0.4)

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(2)

    *_, last = reverse.ancestral(shrinking, (4, 2), schedule, **options, generator=seeded())
    drawn = reverse.sample(shrinking, (4, 2), schedule, **options, generator=seeded())
    assert torch.equal(drawn, last.x_t)
    plain = reverse.sample(shrinking, (4, 2), schedule, generator=seeded())
    default = options in ({"variance": "beta_tilde"}, {"clip_x0": True})
    assert torch.equal(drawn, plain) == default


def test_the_defaults_are_the_small_variance_and_clipping():
    schedule, x = Schedule.linear(5, 0.1, 0.4), torch.full((2, 2), 3.0)
    eps, spelled = shrinking(x, torch.ones(2)), ("beta_tilde", True)
    for ours, same in zip(
        reverse.transition(eps, x, 3, schedule), reverse.transition(eps, x, 3, schedule, *spelled)
    ):
        assert torch.equal(ours, same)
    assert next(reverse.ancestral(shrinking, (2, 2), schedule, x_T=x)).x0_hat.max() == 1
    assert next(solvers.ddim(shrinking, (2, 2), schedule, 5, x_T=x)).x0_hat.max() == 1
    assert reverse.transition(eps, x, 3, schedule).mean.dtype == torch.float32


def test_the_posterior_keeps_its_digits_in_float32():
    """At t = 2 of the paper's schedule both 1 - ᾱ_t are about 1e-4."""
    schedule = Schedule.linear(1000)
    x_0, x_t = torch.tensor([[0.7]]), torch.tensor([[-0.3]])
    exact = reverse.posterior(x_0.double(), x_t.double(), 2, schedule)
    ours = reverse.posterior(x_0, x_t, 2, schedule)
    assert ours.mean.item() == pytest.approx(exact.mean.item(), rel=1e-6)
    assert ours.var.item() == pytest.approx(exact.var.item(), rel=1e-6)


def test_a_bar_shows_every_step(monkeypatch):
    import tqdm.auto

    seen = {}

    def bar(steps, **options):
        seen["options"], steps = options, list(steps)
        seen["steps"] = [step.t for step in steps]
        return steps

    monkeypatch.setattr(tqdm.auto, "tqdm", bar)
    schedule = Schedule.linear(3, 0.1, 0.4)
    reverse.sample(shrinking, (1, 2), schedule)
    assert seen == {}
    reverse.sample(shrinking, (1, 2), schedule, progress=True)
    assert seen["steps"] == [3, 2, 1, 0]
    assert seen["options"] == {"total": 4, "desc": "sampling", "unit": "step", "leave": False}


def test_the_mode_is_put_back_after_an_error():
    class Broken(nn.Module):
        def forward(self, x, t):
            assert not self.training
            raise KeyError("broken")

    model = Broken().train()
    with pytest.raises(KeyError):
        reverse.sample(model, (1, 2), Schedule.linear(3, 0.1, 0.4))
    assert model.training


def test_samples_are_where_the_model_is_or_the_start():
    """The device "meta", which holds no numbers, stands in for a GPU."""
    schedule = Schedule.linear(3, 0.1, 0.4)

    class Net(nn.Module):
        def __init__(self, device: str) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.ones((), device=device))

        def forward(self, x, t):
            return self.a * x

    assert reverse.device_of(nn.Identity()) == reverse.device_of(shrinking) == torch.device("cpu")
    for walk in (reverse.ancestral, lambda *a, **k: solvers.ddim(*a, 3, eta=1.0, **k)):
        for step in walk(Net("meta"), (2, 2), schedule):
            assert step.x_t.device.type == step.x0_hat.device.type == "meta"
        for step in walk(shrinking, (2, 2), schedule, x_T=torch.zeros(2, 2, device="meta")):
            assert step.x_t.device.type == step.x0_hat.device.type == "meta"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda x, s: reverse.posterior(x, x[:1], 1, s),
            "x_0 has shape (2, 2), x_t (1, 2); they must agree",
        ),
        (
            lambda x, s: solvers.ddim_step(x, x[:1], 2, 1, s),
            "x0_hat has shape (2, 2), x_t (1, 2); they must agree",
        ),
        (lambda x, s: reverse.transition(x[:1], x, 1, s), "the network answers with shape (1, 2)"),
        (lambda x, s: reverse.sample(lambda x, t: x[:1], (2, 2), s), "answers with shape (1, 2)"),
        (
            lambda x, s: reverse.sample(WrongInTraining().train(), (2, 2), s),
            "answers with shape (1, 2)",
        ),
        (lambda x, s: next(reverse.ancestral(shrinking, (2, 0), s)), "shape is (2, 0)"),
        (lambda x, s: next(reverse.ancestral(shrinking, 4, s)), "shape is 4; give (B, ...)"),
        (
            lambda x, s: next(reverse.ancestral(shrinking, (2, 3), s, x_T=x)),
            "x_T has shape (2, 2), shape is (2, 3)",
        ),
        (lambda x, s: next(solvers.ddim(shrinking, (2, 0), s, 2)), "shape is (2, 0)"),
        (
            lambda x, s: next(solvers.ddim(shrinking, (2, 3), s, 2, x_T=x)),
            "x_T has shape (2, 2), shape is (2, 3)",
        ),
    ],
)
def test_shapes_that_do_not_agree_are_refused(call, said):
    with pytest.raises(ValueError) as error:
        call(torch.zeros(2, 2), Schedule.linear(10))
    assert said in str(error.value)


class WrongInTraining(nn.Module):
    def forward(self, x, t):
        return x[:1]


def test_what_moved_to_solvers_is_found_under_its_old_name():
    from ddpm_course import solvers

    assert (reverse.ddim, reverse.ddim_step) == (solvers.ddim, solvers.ddim_step)
    assert "ddim" not in reverse.__all__
    with pytest.raises(AttributeError, match=r"'ddpm_course\.reverse' has no attribute 'dim'"):
        reverse.dim  # noqa: B018 # to ask for it is the test
