using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;

namespace OrleansPd.Gateway.Tests;

// What two legs do must not depend on the client that speaks to the engines. The tests run on the fast one by default, and here,
// as they are, on the reference.

public sealed class CouplingOnTheReferenceClientTests : CouplingTests
{
    public CouplingOnTheReferenceClientTests() => Stage.DefaultUpstream = UpstreamKind.Handler;
}

public sealed class GenerationOnTheReferenceClientTests : GenerationTests
{
    public GenerationOnTheReferenceClientTests() => Stage.DefaultUpstream = UpstreamKind.Handler;
}

public sealed class ResumeOnTheReferenceClientTests : ResumeTests
{
    public ResumeOnTheReferenceClientTests() => Stage.DefaultUpstream = UpstreamKind.Handler;
}

public sealed class WhatEnginesSeeOnTheReferenceClientTests : WhatEnginesSeeTests
{
    public WhatEnginesSeeOnTheReferenceClientTests() => Stage.DefaultUpstream = UpstreamKind.Handler;

    [Fact]
    public async Task The_reference_client_is_what_these_tests_run_on()
    {
        await using var stage = await Stage.StartAsync();

        Assert.IsType<HandlerUpstream>(stage.Gateway.Upstream);
    }
}
