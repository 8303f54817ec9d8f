using Microsoft.Extensions.Time.Testing;

namespace Milena.Replication.Tests;

/// <summary>What a broker may conclude from how long it has heard nothing of the metadata quorum.</summary>
public sealed class Controller_contact
{
    private readonly FakeTimeProvider _clock = new();
    private readonly ControllerContact _contact;

    public Controller_contact() => _contact = new ControllerContact(_clock);

    [Fact]
    public void A_broker_that_was_told_nothing_yet_is_in_touch()
    {
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((false, true), (_contact.IsLost, _contact.IsRecent));
    }

    [Fact]
    public void Contact_is_lost_when_nothing_is_heard_for_a_second_and_there_again_with_the_first_word()
    {
        Tell(true, times: 12);
        Assert.Equal((false, true), (_contact.IsLost, _contact.IsRecent));
        Tell(false, times: 9);
        Assert.False(_contact.IsLost);
        Tell(false, times: 3);
        Assert.True(_contact.IsLost);
        Tell(true, times: 1);
        Assert.False(_contact.IsLost);
    }

    [Fact]
    public void Contact_is_recent_from_the_first_word_on_and_not_for_a_second_after_a_word_was_missing()
    {
        Tell(true, times: 2);
        Assert.True(_contact.IsRecent);
        Tell(false, times: 1);
        Assert.False(_contact.IsRecent);
        Tell(true, times: 10);
        Assert.False(_contact.IsRecent);
        Tell(true, times: 2);
        Assert.True(_contact.IsRecent);
    }

    [Fact]
    public void A_process_that_stood_still_is_not_believed_for_a_second()
    {
        Tell(true, times: 12);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal((false, false), (_contact.IsLost, _contact.IsRecent));
        Tell(true, times: 10);
        Assert.False(_contact.IsRecent);
        Tell(true, times: 2);
        Assert.True(_contact.IsRecent);
    }

    private void Tell(bool hearsLeader, int times)
    {
        for (var i = 0; i < times; i++)
        {
            _contact.Saw(hearsLeader);
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }
    }
}
