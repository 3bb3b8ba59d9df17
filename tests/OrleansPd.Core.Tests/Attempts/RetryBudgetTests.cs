using OrleansPd.Core.Attempts;

namespace OrleansPd.Core.Tests.Attempts;

public class RetryBudgetTests
{
    [Fact]
    public void A_quiet_gateway_has_its_reserve_and_no_more()
    {
        var budget = new RetryBudget(share: 0.2, reserve: 3);

        Assert.Equal(3, Enumerable.Range(0, 10).Count(_ => budget.TryTake()));
    }

    [Fact]
    public void Retries_stay_below_their_share_of_the_traffic()
    {
        var budget = new RetryBudget(share: 0.1, reserve: 5);
        var retries = 0;
        for (var i = 0; i < 1000; i++)
        {
            budget.Earn();
            retries += budget.TryTake() ? 1 : 0;
        }

        Assert.InRange(retries, 100, 105);
    }
}
