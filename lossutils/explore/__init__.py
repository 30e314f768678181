"""Interactive figures and quizzes that work in a live notebook and in a web page without a kernel."""

from lossutils.explore.quiz import Choice, Quiz, quiz
from lossutils.explore.widget import Explore, Goal, explore, show

__all__ = ["Choice", "Explore", "Goal", "Quiz", "explore", "quiz", "show"]
